/** The next multiple of `alignment` from `value` on. For numbers of any size; `alignment` need not be a power of two. */
export function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}
