// SPDX-License-Identifier: GPL-2.0-only
/*
 * The name of a module that is still in user memory.
 *
 * With it, init_module() can tell that somebody else is loading the module, or
 * has loaded it, before it copies the image, which is what takes the time. All
 * that is read here can change before it is read again: nothing may depend on it
 * but whether to wait, or whether to load at all.
 */

#include <linux/elf.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "internal.h"

/* More sections than this, and the ordinary path will look at them. */
#define PEEK_MAX_SECTIONS	1024

#define THIS_MODULE_SECTION	".gnu.linkonce.this_module"

struct user_image {
	const void __user *start;
	unsigned long len;
};

static bool read_image(const struct user_image *image, unsigned long base,
		       unsigned long offset, void *to, size_t n)
{
	if (base > image->len || offset > image->len - base ||
	    n > image->len - base - offset)
		return false;
	return !copy_from_user(to, image->start + base + offset, n);
}

static bool read_shdr(const struct user_image *image, const Elf_Ehdr *hdr,
		      unsigned int nr, Elf_Shdr *shdr)
{
	return read_image(image, hdr->e_shoff, nr * sizeof(*shdr), shdr, sizeof(*shdr));
}

static bool is_this_module(const struct user_image *image, const Elf_Shdr *names,
			   const Elf_Shdr *shdr)
{
	char name[sizeof(THIS_MODULE_SECTION)];

	return (shdr->sh_flags & SHF_ALLOC) && shdr->sh_size >= sizeof(struct module) &&
	       read_image(image, names->sh_offset, shdr->sh_name, name, sizeof(name)) &&
	       !memcmp(name, THIS_MODULE_SECTION, sizeof(name));
}

/**
 * module_peek_name() - read a module's name from an image in user memory
 * @umod: where the image is
 * @len: its size in bytes
 * @name: where to put the name, of MODULE_NAME_LEN bytes
 *
 * Context: Process context, may sleep.
 * Return: Whether @name has been filled in. If not, something about the image is
 * odd, or cannot be read, and it is for the ordinary path to say what.
 */
bool module_peek_name(const void __user *umod, unsigned long len, char *name)
{
	const struct user_image image = { .start = umod, .len = len };
	Elf_Shdr names, shdr;
	unsigned int i;
	Elf_Ehdr hdr;

	if (!read_image(&image, 0, 0, &hdr, sizeof(hdr)) ||
	    memcmp(hdr.e_ident, ELFMAG, SELFMAG) || hdr.e_type != ET_REL ||
	    hdr.e_shentsize != sizeof(shdr) || hdr.e_shnum > PEEK_MAX_SECTIONS ||
	    hdr.e_shstrndx >= hdr.e_shnum || !read_shdr(&image, &hdr, hdr.e_shstrndx, &names))
		return false;

	for (i = 1; i < hdr.e_shnum; i++) {
		if (!read_shdr(&image, &hdr, i, &shdr))
			return false;
		if (is_this_module(&image, &names, &shdr))
			break;
	}
	return i < hdr.e_shnum &&
	       read_image(&image, shdr.sh_offset, offsetof(struct module, name),
			  name, MODULE_NAME_LEN) &&
	       name[0] && strnlen(name, MODULE_NAME_LEN) < MODULE_NAME_LEN;
}
