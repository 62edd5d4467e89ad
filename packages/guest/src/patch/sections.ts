import { type ElfSection, SHF, SHT } from '../elf/index.ts';
import type { LinkTable, RefusedTable, SectionRole } from './kinds.ts';

/**
 * What happens to each section of a patch. A section that is loaded by the kernel's module loader and that
 * is not known here is refused: what it asks for is unknown, so it cannot be honoured.
 */
export function roleOf(section: ElfSection): SectionRole {
  const { name, type, flags } = section;
  if (type === SHT.symtab || type === SHT.strtab || type === SHT.rela || type === SHT.null) {
    return unused('part of the file format');
  }
  if ((flags & SHF.alloc) === 0) return unused('not loaded');
  const known = KNOWN.get(name) ?? PATTERNS.find(([pattern]) => pattern.test(name))?.[1];
  if (section.size === 0 && known?.kind !== 'code') return unused('empty');
  if (known !== undefined) return known;
  return refused('nothing is known about such a section, so what it asks for cannot be honoured');
}

function unused(why: string): SectionRole {
  return { kind: 'unused', why };
}

function refused(why: string): SectionRole {
  return { kind: 'refused', why };
}

function unusable(why: string): SectionRole {
  return { kind: 'unusable', why };
}

function entries(table: RefusedTable, why: string): SectionRole {
  return { kind: 'entries', table, why };
}

function link(table: LinkTable): SectionRole {
  return { kind: 'link', table };
}

const CODE: SectionRole = { kind: 'code' };
const RODATA: SectionRole = { kind: 'rodata' };
const DATA: SectionRole = { kind: 'data' };

/** arch/x86/kernel/module.c, kernel/module/main.c and kernel/trace/ftrace.c, Linux 6.1 to 7.2. */
const KNOWN: ReadonlyMap<string, SectionRole> = new Map([
  // Tables that module_finalize works through.
  ['.altinstructions', link('alternatives')],
  ['.altinstr_replacement', link('replacements')],
  ['.altinstr_aux', CODE],
  ['.return_sites', link('returns')],
  ['.retpoline_sites', link('retpolines')],
  ['.call_sites', link('calls')],
  ['.ibt_endbr_seal', link('endbr')],
  ['.smp_locks', link('locks')],
  ['.parainstructions', link('paravirt')],
  ['.static_call_sites', link('staticCalls')],
  ['__mcount_loc', link('fentry')],
  ['.orc_unwind', link('orc')],
  ['.orc_unwind_ip', link('orcAddresses')],
  // Descriptions of the module itself.
  ['.modinfo', unused('describes the module; read here')],
  ['.gnu.linkonce.this_module', unused('the module object: a patch is no module of the guest')],
  ['__versions', unused('checksums of exported symbols: the release of the kernel is compared instead')],
  [
    '__version_ext_crcs',
    unused('checksums of exported symbols: the release of the kernel is compared instead'),
  ],
  [
    '__version_ext_names',
    unused('checksums of exported symbols: the release of the kernel is compared instead'),
  ],
  ['.orc_header', unused('says which layout .orc_unwind has; the release of the kernel is compared instead')],
  ['.printk_index', unused('an index of messages that only debugfs shows')],
  ['__patchable_function_entries', unused('only used by architectures other than x86')],
  // Read by this package.
  ['.exuvia.functions', unused('read here')],
  ['.exuvia.symbols', unused('read here')],
  ['.kpatch.funcs', unused('read here')],
  ['.kpatch.strings', unused('read here')],
  [
    '.kpatch.force',
    unused('functions that kpatch replaces without looking at stacks; here all stacks are looked at'),
  ],
  ['.kpatch.checksum', unused('tells kpatch modules apart')],
  ['.init.klp_objects', unused('read here')],
  ['.init.klp_funcs', unused('read here')],
  // What needs the guest's help, which a patch from outside does not ask for.
  [
    '__ex_table',
    entries('exceptions', 'the guest would not find it, and the fault that it catches would be an oops'),
  ],
  ['__bug_table', entries('bugs', 'the guest would not find it, and the WARN or BUG would be an oops')],
  ['__jump_table', entries('jumpLabels', 'the guest would not switch this static key')],
  ['__ksymtab', refused('a patch cannot export symbols')],
  ['__ksymtab_gpl', refused('a patch cannot export symbols')],
  ['__param', refused('a patch has no module parameters')],
  ['.data..percpu', unusable('a patch cannot have per-CPU variables of its own')],
  ['.static_call_tramp_key', refused('a patch cannot export static calls')],
  ['.cfi_sites', refused('a patch for a kernel with kCFI cannot be linked')],
  ['.kcfi_traps', refused('a patch for a kernel with kCFI cannot be linked')],
  ['__dyndbg', refused('the guest would not know of these dynamic debug messages')],
  ['__dyndbg_classes', refused('the guest would not know of these dynamic debug messages')],
  ['__tracepoints', refused('a patch cannot define tracepoints')],
  ['__tracepoints_ptrs', refused('a patch cannot define tracepoints')],
  ['__tracepoints_strings', refused('a patch cannot define tracepoints')],
  ['__bpf_raw_tp_map', refused('a patch cannot define tracepoints')],
  ['_ftrace_events', refused('a patch cannot define trace events')],
  ['_ftrace_eval_map', refused('a patch cannot define trace events')],
  ['__trace_printk_fmt', refused('the guest would not know of these trace_printk formats')],
  ['_kprobe_blacklist', refused('the guest would not know that these functions must not be probed')],
  ['_error_injection_whitelist', refused('the guest would not know of these error injection points')],
  ['___srcu_struct_ptrs', refused('the guest would not initialise these SRCU structures')],
  ['.init.data', unusable('initialisation code of a patch is not run')],
  ['.init.rodata', unusable('initialisation code of a patch is not run')],
  ['.ctors', refused('constructors of a patch are not run')],
  ['.kunit_test_suites', refused('a patch cannot have tests of its own')],
]);

const PATTERNS: readonly (readonly [RegExp, SectionRole])[] = [
  [/^\.kpatch\.callbacks\./, entries('callbacks', 'callbacks are not run')],
  [/^\.note\./, unused('a note')],
  [/^\.(init|exit)\.text/, unusable('initialisation code of a patch is not run')],
  [/^\.exit\.data/, unusable('code that runs when a module is removed is not run')],
  [/^\.(init_array|fini_array|preinit_array)/, refused('constructors of a patch are not run')],
  [/^\.text(\.|$)/, CODE],
  [/^\.(noinstr|sched|cpuidle|entry|kprobes|softirqentry|irqentry|spinlock)\.text(\.|$)/, CODE],
  [/^\.rodata(\.|$)/, RODATA],
  [/^\.data\.rel\.ro/, RODATA],
  [/^\.data\.\.ro_after_init/, DATA],
  [/^\.data\.\.(read_mostly|cacheline_aligned|page_aligned|once)/, DATA],
  [/^\.data\.\./, unusable('nothing is known about such a section, so what it asks for cannot be honoured')],
  [/^\.(data|bss)(\.|$)/, DATA],
];
