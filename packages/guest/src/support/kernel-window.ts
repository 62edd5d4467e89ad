/** Where x86-64 Linux maps its image: __START_KERNEL_map and 1 GiB from there (arch/x86/include/asm/page_64_types.h). */
export const KERNEL_WINDOW = { start: 0xffff_ffff_8000_0000n, end: 0xffff_ffff_c000_0000n } as const;
