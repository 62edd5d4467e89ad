/** The page's only style sheet. Colours are variables, so that light, dark and print differ in one place. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #fbfaf8; --card: #ffffff; --ink: #22262b; --soft: #626a73; --line: #e3e0da;
  --good: #2c7a51; --bad: #b3392f; --warn: #94660a; --accent: #b3541e; --stem: #7d8893;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #16181b; --card: #1e2125; --ink: #e7e5e1; --soft: #a0a6ad; --line: #33373c;
    --good: #6fc897; --bad: #ef8a80; --warn: #e0b35a; --accent: #f0a06a; --stem: #8a949e;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif;
}
main { max-width: 1000px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { margin: 0 0 4px; font-size: 28px; line-height: 1.25; font-weight: 650; overflow-wrap: anywhere; }
h2 { margin: 0 0 12px; font-size: 18px; font-weight: 650; }
p { margin: 0 0 10px; }
.soft { color: var(--soft); }
.note { color: var(--soft); font-size: 14px; max-width: 75ch; }
.badge {
  display: inline-block; margin-left: 8px; padding: 1px 10px; border: 1px solid currentColor; border-radius: 999px;
  font-size: 14px; font-weight: 600; vertical-align: 4px;
}
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); gap: 16px; margin: 24px 0; }
.figures div, section {
  background: var(--card); border: 1px solid var(--line); border-radius: 12px;
}
.figures div { padding: 14px 18px; }
.figures dt { color: var(--soft); font-size: 14px; }
.figures dd { margin: 0; font-size: 26px; font-weight: 650; font-variant-numeric: tabular-nums; }
section { margin: 20px 0; padding: 20px 22px; }
/* Below this width its numbers could not be read: it scrolls. */
svg { display: block; width: 100%; min-width: 640px; height: auto; font-size: 12px; }
svg text { fill: var(--ink); }
svg .soft { fill: var(--soft); }
svg .axis { stroke: var(--line); stroke-width: 1; }
svg .stem { fill: var(--stem); }
svg .blackout { fill: var(--accent); }
svg text.blackout { font-weight: 600; }
.legend {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(215px, 1fr)); gap: 4px 20px;
  list-style: none; margin: 14px 0 12px; padding: 0; font-size: 14px;
}
.legend li { display: flex; gap: 8px; align-items: center; }
.legend b { margin-left: auto; font-weight: 600; font-variant-numeric: tabular-nums; }
.swatch {
  flex: none; width: 22px; height: 18px; border-radius: 4px; font-size: 12px; line-height: 18px;
  text-align: center; font-weight: 600;
}
.scroll { overflow-x: auto; }
.scroll + .scroll, .scroll + .note { margin-top: 14px; }
section > :last-child { margin-bottom: 0; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
caption { text-align: left; padding-bottom: 6px; color: var(--soft); }
th, td { text-align: left; padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { color: var(--soft); font-weight: 600; }
tbody th { font-weight: 500; }
tfoot th, tfoot td { border-bottom: 0; font-weight: 650; }
th.number, td.number { padding-right: 28px; text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.wrap { overflow-wrap: anywhere; }
footer { color: var(--soft); font-size: 14px; }
@media print {
  :root { --page: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #bbb; }
  main { max-width: none; padding: 0; }
  body { font-size: 11pt; }
  section, .figures div { break-inside: avoid; border-radius: 0; }
  svg { min-width: 0; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
`;
