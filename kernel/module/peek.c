// SPDX-License-Identifier: GPL-2.0-only
/*
 * Read the name and the build ID of a module from an image in user memory.
 *
 * With them, init_module() can wait for another load of the module before it copies the image.
 * User memory can change until it is copied, so they only decide whether a request waits, and
 * whether it shares the outcome of another one. No module is loaded under a name read here.
 *
 * Nothing is assumed about the image. Each piece is checked against the length of the image, and
 * copied to kernel memory before use. If anything is wrong with the image, load_module() finds
 * that in the copy.
 */

#include <linux/elf.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "shared_load.h"

/* Copying a smaller image takes no longer than finding its name. */
#define PEEK_MIN_LEN		SZ_64K
/* No module is larger. */
#define PEEK_MAX_LEN		SZ_1G
/* Modules usually have fewer than 200 sections. */
#define PEEK_MAX_SECTIONS	1024
/* The number of section headers that are copied at once */
#define PEEK_SECTIONS		8

struct user_image {
	const void __user *start;
	unsigned long len;
};

static bool read_image(const struct user_image *image, u64 offset, void *to, size_t n)
{
	return n <= image->len && offset <= image->len - n &&
	       !copy_from_user(to, image->start + offset, n);
}

static bool is_this_module(const struct user_image *image, u64 names, const Elf_Shdr *sec)
{
	static const char wanted[] = ".gnu.linkonce.this_module";
	char found[sizeof(wanted)];

	return sec->sh_size == sizeof(struct module) && sec->sh_flags & SHF_ALLOC &&
	       read_image(image, names + sec->sh_name, found, sizeof(found)) &&
	       !memcmp(found, wanted, sizeof(found));
}

/* Find the same note as find_build_id() does in the copy. */
static void read_build_id(const struct user_image *image, const Elf_Shdr *sec,
			  unsigned char *build_id)
{
	struct { struct elf32_note nhdr; char name[4]; char id[BUILD_ID_SIZE_MAX]; } note;

	if (sec->sh_type == SHT_NOTE && sec->sh_size == sizeof(note) &&
	    !memchr_inv(build_id, 0, BUILD_ID_SIZE_MAX) &&
	    read_image(image, sec->sh_offset, &note, sizeof(note)) &&
	    note.nhdr.n_type == 3 && !memcmp(note.name, "GNU", 4))
		memcpy(build_id, note.id, sizeof(note.id));
}

/**
 * module_peek() - read the name and the build ID of a module from its image
 * @umod: the image in user memory
 * @len: its length in bytes
 * @name: where to put the name, MODULE_NAME_LEN bytes
 * @build_id: where to put the build ID, BUILD_ID_SIZE_MAX bytes. All zero if there is none
 *
 * Context: Process context. Sleeps for as long as the page faults take.
 * Return: true if there is a name. Otherwise false, and both buffers may have been written to.
 */
bool module_peek(const void __user *umod, unsigned long len, char *name, unsigned char *build_id)
{
	const struct user_image image = { .start = umod, .len = len };
	Elf_Shdr sec[PEEK_SECTIONS];
	unsigned int i, j, n;
	bool named = false;
	u64 shdrs, names;
	Elf_Ehdr hdr;

	if (len < PEEK_MIN_LEN || len > PEEK_MAX_LEN || !read_image(&image, 0, &hdr, sizeof(hdr)) ||
	    memcmp(hdr.e_ident, ELFMAG, SELFMAG) || hdr.e_type != ET_REL ||
	    hdr.e_shentsize != sizeof(*sec) || hdr.e_shnum > PEEK_MAX_SECTIONS ||
	    hdr.e_shstrndx >= hdr.e_shnum)
		return false;
	shdrs = hdr.e_shoff;
	if (!read_image(&image, shdrs + hdr.e_shstrndx * sizeof(*sec), sec, sizeof(*sec)))
		return false;
	names = sec->sh_offset;

	memset(build_id, 0, BUILD_ID_SIZE_MAX);
	for (i = 0; i < hdr.e_shnum; i += n) {
		n = min_t(unsigned int, hdr.e_shnum - i, PEEK_SECTIONS);
		if (!read_image(&image, shdrs + i * sizeof(*sec), sec, n * sizeof(*sec)))
			return false;
		for (j = 0; j < n; j++) {
			read_build_id(&image, &sec[j], build_id);
			if (!named && is_this_module(&image, names, &sec[j]))
				named = read_image(&image, (u64)sec[j].sh_offset +
						   offsetof(struct module, name),
						   name, MODULE_NAME_LEN);
		}
	}
	return named && name[0] && !name[MODULE_NAME_LEN - 1];
}
