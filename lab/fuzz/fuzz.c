// SPDX-License-Identifier: GPL-2.0-only
/*
 * Feed images to module_peek() of kernel/module/peek.c.
 *
 * An input is three bytes and an image in user memory. The first byte is the offset from which
 * that memory faults, in units of 8. The third is the number of the read after which another
 * task changes a byte. The second is not used. ASan finds accesses outside of the image and of
 * the buffers, UBSan undefined behaviour.
 *
 * Before that, a table of odd images with known results shows that names are found at all. The
 * images are made here and, with libFuzzer, also seed the corpus.
 */
#include <stdio.h>
#include <stdlib.h>

#include "shim.h"

#define MAX_LEN		4096
#define NAME		"fuzz_module"

static unsigned long fault_at;		/* offset in the image */
static unsigned int change_after;	/* number of the read, 0: never */
static unsigned char *image;
static unsigned long image_len;

/* Unlike the kernel's, it must not be given memory outside of the image. */
unsigned long copy_from_user(void *to, const void *from, unsigned long n)
{
	unsigned long offset = (const unsigned char *)from - image;

	if (offset > image_len || n > image_len - offset) {
		fprintf(stderr, "read of %lu bytes at %#lx, the image has %#lx\n", n, offset,
			image_len);
		abort();
	}
	memcpy(to, from, n);
	if (change_after && !--change_after)
		image[(offset * 31 + n) % image_len] ^= 0x5a;
	return offset + n > fault_at ? offset + n - fault_at : 0;
}

/* An image, and what module_peek() must find in it */
struct sample {
	const char *what;
	const char *name;	/* NULL: none */
	bool build_id;
	size_t len;
	unsigned char data[MAX_LEN];
};

enum { S_NULL, S_NAMES, S_TEXT, S_NOTE, S_MODULE, NR_SECTIONS };
static const char names[] = "\0.shstrtab\0.text\0.note.gnu.build-id\0.gnu.linkonce.this_module";

static Elf_Ehdr *header(struct sample *s)
{
	return (Elf_Ehdr *)s->data;
}

static Elf_Shdr *section(struct sample *s, int nr)
{
	return (Elf_Shdr *)(s->data + header(s)->e_shoff) + nr;
}

/* Make a regular image. */
static void make_regular(struct sample *s)
{
	static const unsigned int name_at[] = { 0, 1, 11, 17, 36 };
	struct { struct elf32_note hdr; char name[4]; char id[BUILD_ID_SIZE_MAX]; } note = {
		.hdr = { 4, BUILD_ID_SIZE_MAX, 3 }, .name = "GNU", .id = "a build ID" };
	struct module mod = { .name = NAME };
	const void *data[NR_SECTIONS] = { NULL, names, "text", &note, &mod };
	size_t size[NR_SECTIONS] = { 0, sizeof(names), 4, sizeof(note), sizeof(mod) };
	size_t at = sizeof(Elf_Ehdr);
	int i;

	s->name = NAME;
	s->build_id = true;
	*header(s) = (Elf_Ehdr){ .e_ident = ELFMAG, .e_type = ET_REL, .e_shnum = NR_SECTIONS,
		.e_shentsize = sizeof(Elf_Shdr), .e_shstrndx = S_NAMES, .e_shoff = 1024 };
	for (i = 1; i < NR_SECTIONS; i++) {
		*section(s, i) = (Elf_Shdr){ .sh_name = name_at[i], .sh_type = SHT_PROGBITS,
			.sh_offset = at, .sh_size = size[i] };
		memcpy(s->data + at, data[i], size[i]);
		at += size[i];
	}
	section(s, S_NOTE)->sh_type = SHT_NOTE;
	section(s, S_MODULE)->sh_flags = SHF_ALLOC;
	s->len = 1024 + NR_SECTIONS * sizeof(Elf_Shdr);
}

/* Make the odd image number @nr. Return false if there is none. */
static bool make_sample(struct sample *s, int nr)
{
	Elf_Shdr *mod, *note, *text;
	struct module *in_mod;

	memset(s, 0, sizeof(*s));
	make_regular(s);
	mod = section(s, S_MODULE);
	note = section(s, S_NOTE);
	text = section(s, S_TEXT);
	in_mod = (struct module *)(s->data + mod->sh_offset);
	s->what = "regular";
	switch (nr) {
	case 0:
		return true;
	case 1:
		s->what = "last byte missing", s->name = NULL, s->len--;
		return true;
	case 2:
		s->what = "other magic", s->name = NULL, s->data[0] = 0;
		return true;
	case 3:
		s->what = "executable", s->name = NULL, header(s)->e_type = ET_EXEC;
		return true;
	case 4:
		s->what = "no sections", s->name = NULL, header(s)->e_shnum = 0;
		return true;
	case 5:
		s->what = "too many sections", s->name = NULL, header(s)->e_shnum = 1025;
		return true;
	case 6:
		s->what = "other section size", s->name = NULL, header(s)->e_shentsize--;
		return true;
	case 7:
		s->what = "no section names", s->name = NULL, header(s)->e_shstrndx = NR_SECTIONS;
		return true;
	case 8:
		s->what = "sections outside", s->name = NULL, header(s)->e_shoff = s->len;
		return true;
	case 9:
		s->what = "sections wrap", s->name = NULL;
		header(s)->e_shoff = -(int)sizeof(Elf_Shdr);
		return true;
	case 10:
		s->what = "names wrap", s->name = NULL, section(s, S_NAMES)->sh_offset = -8;
		return true;
	case 11:
		s->what = "module outside", s->name = NULL, mod->sh_offset = s->len - 8;
		return true;
	case 12:
		s->what = "module wraps", s->name = NULL, mod->sh_offset = -8;
		return true;
	case 13:
		s->what = "module too large", s->name = NULL, mod->sh_size++;
		return true;
	case 14:
		s->what = "module not kept", s->name = NULL, mod->sh_flags = 0;
		return true;
	case 15:
		s->what = "empty name", s->name = NULL, in_mod->name[0] = '\0';
		return true;
	case 16:
		s->what = "endless name", s->name = NULL;
		memset(in_mod->name, 'x', MODULE_NAME_LEN);
		return true;
	case 17:
		s->what = "longest name", in_mod->name[MODULE_NAME_LEN - 2] = 'x';
		return true;
	case 18:
		s->what = "two modules, the first counts", *text = *mod, mod->sh_offset = 0;
		return true;
	case 19:
		s->what = "note outside", s->build_id = false, note->sh_offset = s->len;
		return true;
	case 20:
		s->what = "note too large", s->build_id = false, note->sh_size++;
		return true;
	case 21:
		s->what = "note of another kind", s->build_id = false;
		s->data[note->sh_offset + offsetof(struct elf32_note, n_type)] = 4;
		return true;
	case 22:
		s->what = "note of another owner", s->build_id = false;
		s->data[note->sh_offset + sizeof(struct elf32_note)] = 'X';
		return true;
	case 23:
		s->what = "another note first", *text = *note, text->sh_offset = 0;
		return true;
	case 24:
		s->what = "no note", s->build_id = false, note->sh_type = SHT_PROGBITS;
		return true;
	case 25:
		s->what = "too short", s->name = NULL, s->len = SZ_64K - 1;
		return true;
	case 26:
		s->what = "header only", s->name = NULL, s->len = sizeof(Elf_Ehdr);
		return true;
	}
	return false;
}

/* Call module_peek() for a copy of the image that ends where the memory ends. */
static bool peek(const unsigned char *data, size_t len, char *name, unsigned char *build_id)
{
	bool found;

	image = malloc(len);
	image_len = len;
	if (len)
		memcpy(image, data, len);
	found = module_peek(image, len, name, build_id);
	free(image);
	return found;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	unsigned char build_id[BUILD_ID_SIZE_MAX];
	const char *dir = getenv("FUZZ_SEEDS");
	char name[MODULE_NAME_LEN], path[4096];
	static struct sample s;
	int nr, failed = 0;
	FILE *file;

	fault_at = -1UL;
	for (nr = 0; make_sample(&s, nr); nr++) {
		bool found, has_id;

		memset(build_id, 0, sizeof(build_id));
		memset(name, 0, sizeof(name));
		found = peek(s.data, s.len, name, build_id);
		has_id = memchr_inv(build_id, 0, sizeof(build_id));
		if (found != !!s.name || (found && (strncmp(name, s.name, strlen(s.name)) ||
						    has_id != s.build_id))) {
			printf("not ok %d - %s: %s, build ID %d\n", nr + 1, s.what,
			       found ? name : "no name", has_id);
			failed++;
		} else {
			printf("ok %d - %s\n", nr + 1, s.what);
		}
		snprintf(path, sizeof(path), "%s/%d", dir ?: ".", nr);
		file = dir ? fopen(path, "w") : NULL;
		if (file) {
			fwrite("\xff\xff", 1, 3, file);
			fwrite(s.data, 1, s.len, file);
			fclose(file);
		}
	}
	fflush(stdout);
	if (failed)
		exit(1);
	return 0;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len)
{
	unsigned char *build_id;
	char *name;

	if (len < 3)
		return 0;
	fault_at = data[0] == 0xff ? -1UL : data[0] * 8;
	change_after = data[2];
	/* On the heap, where ASan sees accesses beyond the end. */
	name = malloc(MODULE_NAME_LEN);
	build_id = malloc(BUILD_ID_SIZE_MAX);
	if (peek(data + 3, len - 3, name, build_id) &&
	    (!name[0] || strnlen(name, MODULE_NAME_LEN) == MODULE_NAME_LEN))
		abort();
	free(name);
	free(build_id);
	return 0;
}
