/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef HAMMER_H
#define HAMMER_H

#include <stdbool.h>

/* Are these arguments for hammer_main()? It returns what main() shall. */
bool hammer_wanted(char **argv);
int hammer_main(int argc, char **argv);

#endif /* HAMMER_H */
