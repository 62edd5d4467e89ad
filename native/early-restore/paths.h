/* Where things lie before and after the host's root file system is /. */
#ifndef EXUVIA_PATHS_H
#define EXUVIA_PATHS_H

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SYSROOT "/sysroot" /* where the host's root file system lies until it becomes / */

static void make_directories(const char *root, const char *path) {
  char whole[600];
  snprintf(whole, sizeof whole, "%s%s", root, path);
  for (char *p = whole + strlen(root) + 1; *p; p++)
    if (*p == '/') {
      *p = 0;
      mkdir(whole, 0755);
      *p = '/';
    }
  mkdir(whole, 0700);
}

#endif
