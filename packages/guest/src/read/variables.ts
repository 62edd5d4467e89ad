import type { TypeName } from './syntax.ts';

/**
 * Types of variables that a kernel's own type information leaves out: BTF has those of per-CPU variables only.
 * The same from 6.1 to 7.2.
 */
const DECLARATIONS = `
struct task_struct init_task; struct mm_struct init_mm; struct cred init_cred; struct nsproxy init_nsproxy;
struct uts_namespace init_uts_ns; struct pid_namespace init_pid_ns; struct user_namespace init_user_ns;
struct net init_net; struct files_struct init_files; struct fs_struct init_fs; struct signal_struct init_signals;
struct list_head modules; struct list_head super_blocks; struct list_head net_namespace_list;
struct file_system_type *file_systems; struct workqueue_struct *system_wq; struct printk_ringbuffer *prb;
struct task_group root_task_group; struct cpuinfo_x86 boot_cpu_data; struct resource iomem_resource;
struct resource ioport_resource; struct kobject *kernel_kobj; struct ftrace_ops *ftrace_ops_list;
enum system_states system_state; unsigned long jiffies; u64 jiffies_64; unsigned long loops_per_jiffy;
unsigned long tainted_mask; char *saved_command_line; unsigned int nr_cpu_ids; int panic_on_oops; int panic_timeout;
unsigned long phys_base; unsigned long page_offset_base; unsigned long vmalloc_base; unsigned long vmemmap_base;
unsigned int tsc_khz; unsigned int cpu_khz; int pid_max; int oops_in_progress; unsigned long max_pfn;
atomic_long_t _totalram_pages; int nr_threads; unsigned long total_forks; struct tk_core tk_core;
`;

const DECLARED = new Map(
  [...DECLARATIONS.matchAll(/(?:(struct|enum|union) )?(\w[\w ]*?) (\**)(\w+);/g)].map(
    ([, tag = '', name = '', stars = '', variable = '']): [string, TypeName] => [
      variable,
      { tag, name, pointers: stars.length },
    ],
  ),
);

/** The declared type of a variable; null when it is not known. */
export function declaredType(variable: string): TypeName | null {
  return DECLARED.get(variable) ?? null;
}
