/** The lab host's own QEMU, of its distribution's release. */
export const HOST_QEMU = '/usr/bin/qemu-system-x86_64';

/** Where a newer one is unpacked beside it. */
export const NEW_QEMU_FOLDER = '/opt/qemu-11.1';
