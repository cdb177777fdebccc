/* SPDX-License-Identifier: GPL-2.0-only */
/* What kernel/module/peek.c needs of the kernel, in user space. */
#ifndef SHIM_H
#define SHIM_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define __user
#define SZ_64K			64	/* the fuzzer's images are small */
#define SZ_1G			4096
#define MODULE_NAME_LEN		56
#define BUILD_ID_SIZE_MAX	20

#define min_t(type, a, b)	((type)(a) < (type)(b) ? (type)(a) : (type)(b))

typedef uint64_t u64;
#ifdef ELF32
typedef Elf32_Ehdr Elf_Ehdr;
typedef Elf32_Shdr Elf_Shdr;
#else
typedef Elf64_Ehdr Elf_Ehdr;
typedef Elf64_Shdr Elf_Shdr;
#endif

struct elf32_note {
	uint32_t n_namesz;
	uint32_t n_descsz;
	uint32_t n_type;
};

struct module {
	char before[24];
	char name[MODULE_NAME_LEN];
	char after[16];
};

unsigned long copy_from_user(void *to, const void *from, unsigned long n);
bool module_peek(const void *umod, unsigned long len, char *name, unsigned char *build_id);

static inline void *memchr_inv(const void *p, int c, size_t n)
{
	const unsigned char *s = p;

	for (; n; n--, s++)
		if (*s != (unsigned char)c)
			return (void *)s;
	return NULL;
}

#endif
