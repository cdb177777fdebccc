// SPDX-License-Identifier: GPL-2.0-only
/*
 * context VERSION PATCH...
 *
 * Write the files that a set modifies, as far as its patches show them, and a Makefile with
 * the version. The set applies to these files, so that a set whose source is not here can
 * be ported, and checked for what needs no compiler. A line that no patch shows is
 * "(line N)", or the function that the next hunk names.
 */

#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_FILES	1000
#define MAX_LINES	1000000	/* more than any file of the kernel has */
#define PATH_LEN	256	/* read_path() has this number, too */
#define NAME_LEN	80	/* the longest name in a hunk header of git */

/* The patches stay in memory, and all strings point into them. */
struct line {
	struct line *next;
	const char *text;	/* NULL until a patch shows it */
	const char *name;	/* written in place of an unknown text, or NULL */
	bool added;		/* by a patch */
	int removed;		/* by the patch with this number, or 0 */
};

/* The lines keep their order. Those that patches add or remove stay among them. */
static struct file {
	char path[PATH_LEN];
	struct line *lines;
	bool added;		/* by a patch */
} files[MAX_FILES];

/* The line of input, and the line that it modifies */
static const char *patch;
static int patch_nr, line_nr;
static struct file *file;			/* NULL before the first diff of a patch */
static struct line **at;			/* the next line in this hunk */
static unsigned long old_left, new_left;	/* what this hunk still has */

static void fail(const char *what)
{
	errx(1, "%s:%d: %s", patch, line_nr, what);
}

/* Insert a line before the next one, and return it. */
static struct line *insert_line(bool added)
{
	struct line *line = calloc(1, sizeof(*line));

	if (!line)
		err(1, "%s", patch);
	line->next = *at;
	line->added = added;
	return *at = line;
}

/* Read "diff --git a/PATH b/PATH". Find the file, or add it. */
static void read_path(const char *line)
{
	char path[PATH_LEN], other[PATH_LEN];

	if (sscanf(line, "diff --git a/%255s b/%255s", path, other) < 2 || strcmp(path, other))
		fail("not \"diff --git a/PATH b/PATH\" with one path");
	if (*path == '/' || !strncmp(path, "../", 3) || strstr(path, "/../"))
		fail("the path leads out of the tree");
	for (file = files; *file->path && strcmp(file->path, path); file++)
		;
	if (file == &files[MAX_FILES - 1])
		fail("too many files");
	snprintf(file->path, sizeof(file->path), "%s", path);
}

/*
 * Go to line @nr of the file, where a hunk begins. git reads the name in its header from a
 * line above. If no such line is known, let the line right before show @name.
 */
static void find_line(unsigned long nr, const char *name)
{
	struct line *line, *before = NULL;
	bool named = !*name;

	for (at = &file->lines; nr > 1 || (*at && (*at)->removed); at = &line->next) {
		line = *at ?: insert_line(false);
		/* git reads the file as it was before this patch. */
		if (line->removed && line->removed != patch_nr)
			continue;
		if (!strncmp(line->text ?: line->name ?: "", name, NAME_LEN))
			named = true;
		if (!line->removed) {
			before = line;
			nr--;
		}
	}
	if (before && !before->name && !named)
		before->name = name;
}

/* Read "@@ -START,COUNT +START,COUNT @@ NAME". A COUNT of 1 can be missing. */
static void read_header(char *s)
{
	unsigned long nr;

	strtoul(s + strlen("@@ -"), &s, 10);
	old_left = *s == ',' ? strtoul(s + 1, &s, 10) : 1;
	nr = strncmp(s, " +", 2) ? 0 : strtoul(s + 2, &s, 10);
	new_left = *s == ',' ? strtoul(s + 1, &s, 10) : 1;
	if (strncmp(s, " @@", 3) || (new_left && !nr))
		fail("malformed hunk header");
	if (nr > MAX_LINES || old_left > MAX_LINES || new_left > MAX_LINES)
		fail("a number of the hunk header is too large");
	/* Without new lines, START is the line before. */
	find_line(nr + !new_left, s[3] == ' ' ? s + 4 : "");
}

/* Apply a line of a hunk. */
static void read_line(const char *text)
{
	bool is_old = *text != '+', is_new = *text != '-';
	struct line *line;

	if (*text == '\\')
		return;
	if (!strchr(" +-", *text) || old_left < is_old || new_left < is_new)
		fail("the hunk has other lines than its header counts");
	old_left -= is_old;
	new_left -= is_new;
	/* A mailer can remove the space of an empty line. */
	text += !!*text;
	while (is_old && *at && (*at)->removed)
		at = &(*at)->next;
	line = is_old && *at ? *at : insert_line(!is_old);
	if (line->text && strcmp(line->text, text))
		fail("an earlier hunk shows another text of this line");
	line->text = text;
	line->removed = is_new ? 0 : patch_nr;
	at = &line->next;
}

static void read_patch(void)
{
	FILE *f = fopen(patch, "r");
	char *text = NULL, *line;
	size_t size = 0;
	ssize_t len;

	len = f ? getdelim(&text, &size, '\0', f) : -1;
	if (!f || ferror(f))
		err(1, "%s", patch);
	fclose(f);
	line_nr = 0;
	if (len < 0 || strlen(text) != (size_t)len)
		errx(1, "%s: the patch is empty, or has a NUL byte", patch);
	file = NULL;
	while ((line = strsep(&text, "\n")) && text) {
		line_nr++;
		if (old_left || new_left)
			read_line(line);
		else if (!strncmp(line, "diff --git ", strlen("diff --git ")))
			read_path(line);
		else if (file && !strncmp(line, "new file mode ", strlen("new file mode ")))
			file->added |= !file->lines;
		else if (file && !strncmp(line, "@@ -", strlen("@@ -")))
			read_header(line);
	}
	if (!file)
		fail("the patch has no diff");
	/* The rest after the last newline is empty, unless the patch is truncated. */
	if (old_left || new_left || *line)
		fail("the patch ends within a hunk or a line");
}

/* Write the lines that no patch adds. The directories need not exist. */
static void write_file(char *path, const struct line *line)
{
	FILE *f;

	for (char *s = strchr(path, '/'); s; s = strchr(s + 1, '/')) {
		*s = '\0';
		if (mkdir(path, 0777) && errno != EEXIST)
			err(1, "%s", path);
		*s = '/';
	}
	f = fopen(path, "w");
	if (!f)
		err(1, "%s", path);
	for (int nr = 1; line; line = line->next) {
		if (line->added)
			continue;
		if (line->text || line->name)
			fprintf(f, "%s\n", line->text ?: line->name);
		else
			fprintf(f, "(line %d)\n", nr);
		nr++;
	}
	if (ferror(f) || fclose(f))
		err(1, "%s", path);
}

int main(int argc, char *argv[])
{
	char path[] = "Makefile", text[256];
	const struct line makefile = { .text = text };
	unsigned int major, minor;
	int end = 0;

	if (argc < 3)
		errx(1, "the arguments must be VERSION PATCH...");
	if (sscanf(argv[1], "%4u.%4u%n", &major, &minor, &end) < 2)
		errx(1, "VERSION='%s' is not a version", argv[1]);
	end += argv[1][end] == '.';
	snprintf(text, sizeof(text), "VERSION = %u\nPATCHLEVEL = %u\nSUBLEVEL = %s\nEXTRAVERSION =",
		 major, minor, argv[1] + end);
	for (patch_nr = 2; patch_nr < argc; patch_nr++) {
		patch = argv[patch_nr];
		read_patch();
	}
	for (file = files; *file->path; file++)
		if (file->lines && !file->added)
			write_file(file->path, file->lines);
	write_file(path, &makefile);
	return 0;
}
