// SPDX-License-Identifier: GPL-2.0-only
/*
 * The name of a module that is still in user memory.
 *
 * With it, init_module() can tell that somebody else is loading the module, or
 * has loaded it, before it copies the image, which is what takes the time. All
 * that is read here can change before it is read again: nothing may depend on it
 * but whether to wait, or whether to load at all.
 */

#include <linux/align.h>
#include <linux/elf.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/uaccess.h>

#include "internal.h"

/* More sections than this, and the ordinary path will look at them. */
#define PEEK_MAX_SECTIONS	1024

#define THIS_MODULE_SECTION	".gnu.linkonce.this_module"

struct user_image {
	const void __user *start;
	unsigned long len;
};

static bool is_inside(const struct user_image *image, unsigned long base,
		      unsigned long offset, size_t n)
{
	return base <= image->len && offset <= image->len - base &&
	       n <= image->len - base - offset;
}

static bool read_image(const struct user_image *image, unsigned long base,
		       unsigned long offset, void *to, size_t n)
{
	return is_inside(image, base, offset, n) &&
	       !copy_from_user(to, image->start + base + offset, n);
}

/*
 * The last section before @nr that is kept in memory, and has room for a struct module,
 * or 0. The linker puts it close to the end. An image has dozens of others: a look at two
 * numbers of each costs next to nothing, which a copy does not.
 */
static unsigned int next_candidate(const Elf_Shdr __user *shdrs, unsigned int nr)
{
	u64 size, flags;

	if (!user_read_access_begin(shdrs, nr * sizeof(*shdrs)))
		return 0;
	while (--nr) {
		unsafe_get_user(size, &shdrs[nr].sh_size, fault);
		unsafe_get_user(flags, &shdrs[nr].sh_flags, fault);
		if (size >= sizeof(struct module) && (flags & SHF_ALLOC))
			break;
	}
	user_read_access_end();
	return nr;

fault:
	user_read_access_end();
	return 0;
}

static bool is_this_module(const struct user_image *image, unsigned long names,
			   unsigned long offset)
{
	char name[sizeof(THIS_MODULE_SECTION)];

	return read_image(image, names, offset, name, sizeof(name)) &&
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
	unsigned long names, name_offset, offset;
	const Elf_Shdr __user *shdrs;
	unsigned int nr;
	Elf_Ehdr hdr;

	if (!read_image(&image, 0, 0, &hdr, sizeof(hdr)) ||
	    memcmp(hdr.e_ident, ELFMAG, SELFMAG) || hdr.e_type != ET_REL ||
	    hdr.e_shentsize != sizeof(*shdrs) || hdr.e_shnum > PEEK_MAX_SECTIONS ||
	    hdr.e_shstrndx >= hdr.e_shnum ||
	    !is_inside(&image, hdr.e_shoff, 0, hdr.e_shnum * sizeof(*shdrs)))
		return false;

	shdrs = umod + hdr.e_shoff;
	if (!IS_ALIGNED((unsigned long)shdrs, __alignof__(*shdrs)) ||
	    get_user(names, &shdrs[hdr.e_shstrndx].sh_offset))
		return false;

	nr = hdr.e_shnum;
	do {
		nr = next_candidate(shdrs, nr);
		if (!nr || get_user(name_offset, &shdrs[nr].sh_name) ||
		    get_user(offset, &shdrs[nr].sh_offset))
			return false;
	} while (!is_this_module(&image, names, name_offset));

	return read_image(&image, offset, offsetof(struct module, name),
			  name, MODULE_NAME_LEN) &&
	       name[0] && !name[MODULE_NAME_LEN - 1];
}
