/** A file as it was before a change; `null`: there was none. */
export interface FileBefore {
  readonly path: string;
  readonly content: string | null;
  /** What the change made of it, to tell whether somebody has edited it since. */
  readonly written?: string | undefined;
  /** The arguments that were added; absent: all that look like those of setup. */
  readonly added?: readonly string[] | undefined;
}

/** What brings up a kernel after firmware, and how this distribution configures it. */
export interface BootLoader {
  readonly kind: 'grub' | 'kernel-install';
  /** The files that {@link setArguments} changes. */
  readonly files: readonly string[];
  /**
   * Puts these arguments on the command line of every installed and every future kernel, in place of those
   * set before. Idempotent. When it fails, every file is as it was.
   *
   * @returns what else the user should know.
   * @throws ExuviaError `boot-loader-failed`.
   */
  setArguments(args: readonly string[]): Promise<readonly string[]>;
  /**
   * Takes back what {@link setArguments} did; `before` is what {@link files} held then. What an administrator has
   * changed since stays. Idempotent.
   */
  removeArguments(before: readonly FileBefore[]): Promise<void>;
  /** Whether a kernel's entry has each of these arguments. @throws ExuviaError `boot-entry-missing`. */
  bootsWith(release: string, args: readonly string[]): Promise<boolean>;
  /** Makes a kernel the one that boots from now on. @throws ExuviaError `boot-entry-missing`. */
  setDefaultKernel(release: string): Promise<void>;
  /** Makes a kernel the one that boots next time only. @throws ExuviaError `boot-entry-missing`. */
  setNextKernel(release: string): Promise<void>;
  /** Takes back {@link setNextKernel}: the next boot is the default's. Idempotent. */
  clearNextKernel(): Promise<void>;
}
