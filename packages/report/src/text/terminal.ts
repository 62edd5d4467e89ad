import { styleText } from 'node:util';

export interface TextOptions {
  /** Whether the terminal wants colours is the caller's to know; none by default. */
  readonly color?: boolean;
  /** Columns of the terminal; 100 when it has none. */
  readonly width?: number;
}

/** What the renderers below need to know of the place where their text ends up. */
export interface Terminal {
  readonly color: boolean;
  readonly width: number;
  paint(style: Parameters<typeof styleText>[0], text: string): string;
}

export function terminalOf({ color = false, width = 100 }: TextOptions): Terminal {
  return {
    color,
    width,
    paint: (style, text) => (color ? styleText(style, text, { validateStream: false }) : text),
  };
}
