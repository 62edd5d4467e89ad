/* What leads to the host beside the disk: qemu-guest-agent, and a vsock port that says who answers. */
#ifndef EXUVIA_CHANNELS_H
#define EXUVIA_CHANNELS_H

#include <glob.h>
#include <stdbool.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define GUEST_AGENT "/usr/sbin/qemu-ga"
#define CHRONYD "/usr/sbin/chronyd"
#define VSOCK_PORT 1024

static void start_daemon(const char *const *arguments) {
  mkdir("/run", 0755);
  if (fork() != 0) return;
  execv(arguments[0], (char *const *)arguments);
  perror(arguments[0]);
  _exit(127);
}

/* Starts the agent of the initramfs, if it has one, on the virtio port, else on the second serial port. */
static void start_guest_agent(void) {
  glob_t ports;
  if (access(GUEST_AGENT, X_OK) != 0) return;
  const bool virtio = glob("/dev/vport*p1", 0, NULL, &ports) == 0;
  const char *method = virtio ? "virtio-serial" : "isa-serial", *port = virtio ? ports.gl_pathv[0] : "/dev/ttyS1";
  start_daemon((const char *const[]){GUEST_AGENT, "-m", method, "-p", port, "-t", "/run", "-f", "/run/qga.pid", NULL});
}

/* Starts the chronyd of the initramfs, if it has one: its clock follows the host's (ptp_kvm). */
static void start_chrony(void) {
  if (access(CHRONYD, X_OK) != 0) return;
  start_daemon((const char *const[]){CHRONYD, "-d", "-u", "root", "-f", "/etc/chrony.conf", NULL});
}

/* Says the guest's name and its own idea of its address to whoever connects. */
static void *vsock_thread(void *name) {
  const int listener = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const struct sockaddr_vm here = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = VSOCK_PORT};
  if (listener < 0) return NULL;
  if (bind(listener, (const struct sockaddr *)&here, sizeof here) != 0 || listen(listener, 4) != 0) {
    perror("vsock");
    return NULL;
  }
  for (;;) {
    const int caller = accept(listener, NULL, NULL);
    const int device = open("/dev/vsock", O_RDONLY | O_CLOEXEC);
    unsigned cid = 0;
    if (device >= 0 && ioctl(device, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid) != 0) perror("/dev/vsock");
    if (device >= 0) close(device);
    if (caller < 0) continue;
    dprintf(caller, "%s %u\n", (const char *)name, cid);
    close(caller);
  }
}

#endif
