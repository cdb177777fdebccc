// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel runs in place of modprobe, when a test has said so. It finds
 * in its own directory, the one of argv[0], what to do for the name that it is
 * asked for, and tells there what came of it:
 *
 *	plan	NAME MODULE-FILE WAY HOW PARAMETERS...
 *	log	asks PID NAME; got PID NAME ERRNO
 *
 * Each line of the plan with that name is done, in their order: the file is
 * loaded by WAY, "init_module" or "finit_module". HOW says who does it:
 *
 *	self	this process
 *	child	a child of it
 *	pair	two children of it, at the same time
 *	shell	this program, run by a shell, as by an "install" line of modprobe.d
 *	orphan	a process that does not descend from this one any more
 *
 * Without a line for the name it ends with status 1, as modprobe does.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[PATH_MAX - 16];

/* One write() for each line: others write there as well. */
static void note(const char *line)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/log", dir);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, line, strlen(line)) < 0)
		exit(2);
	close(fd);
}

static int load(const char *file, const char *way, const char *params)
{
	struct stat st;
	void *image;
	int fd, err;

	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return errno;
	if (!strcmp(way, "finit_module")) {
		err = syscall(__NR_finit_module, fd, params, 0) ? errno : 0;
		close(fd);
		return err;
	}
	image = malloc(st.st_size);
	if (!image || read(fd, image, st.st_size) != st.st_size)
		err = ENOMEM;
	else
		err = syscall(__NR_init_module, image, st.st_size, params) ?
			errno : 0;
	free(image);
	close(fd);
	return err;
}

static int load_and_tell(const char *name, const char *file, const char *way,
			 const char *params)
{
	char line[256];
	int err;

	snprintf(line, sizeof(line), "asks %d %s\n", getpid(), name);
	note(line);
	err = load(file, way, params);
	snprintf(line, sizeof(line), "got %d %s %d\n", getpid(), name, err);
	note(line);
	return err ? 1 : 0;
}

static int status_of(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 1;
	return WEXITSTATUS(status);
}

/* Its parent is dead before it asks; this process waits for its end even so. */
static int by_orphan(const char *name, const char *file, const char *way,
		     const char *params)
{
	int fds[2];
	pid_t pid;
	char c;

	if (pipe2(fds, O_CLOEXEC))
		return 1;
	pid = fork();
	if (!pid) {
		pid_t parent = getpid();

		pid = fork();
		if (pid)
			_exit(pid < 0);
		close(fds[0]);
		while (getppid() == parent)
			usleep(1000);
		_exit(load_and_tell(name, file, way, params));
	}
	close(fds[1]);
	if (status_of(pid))
		return 1;
	return read(fds[0], &c, 1) != 0;
}

static int obey(const char *self, const char *name, const char *file,
		const char *way, const char *how, const char *params)
{
	char command[2 * PATH_MAX];
	pid_t pid, other;

	if (!strcmp(how, "self"))
		return load_and_tell(name, file, way, params);
	if (!strcmp(how, "orphan"))
		return by_orphan(name, file, way, params);
	if (!strcmp(how, "shell")) {
		/* Not the last command, or the shell would become this. */
		snprintf(command, sizeof(command), "%s --load %s %s %s '%s'; exit $?",
			 self, name, file, way, params);
		return system(command) ? 1 : 0;
	}
	pid = fork();
	if (!pid)
		_exit(load_and_tell(name, file, way, params));
	if (strcmp(how, "pair"))
		return status_of(pid);
	other = fork();
	if (!other)
		_exit(load_and_tell(name, file, way, params));
	return status_of(pid) | status_of(other);
}

int main(int argc, char *argv[])
{
	char path[PATH_MAX], line[2048], name[64], file[1024], way[16], how[16];
	int len = 0, status = 1;
	FILE *plan;

	if (argc < 2 || !strchr(argv[0], '/')) {
		fprintf(stderr, "usage: DIR/%s [OPTION...] NAME, with DIR/plan\n",
			program_invocation_short_name);
		return 2;
	}
	snprintf(dir, sizeof(dir), "%s", argv[0]);
	*strrchr(dir, '/') = '\0';
	if (argc == 6 && !strcmp(argv[1], "--load"))
		return load_and_tell(argv[2], argv[3], argv[4], argv[5]);

	snprintf(path, sizeof(path), "%s/plan", dir);
	plan = fopen(path, "re");
	if (!plan)
		return 2;
	while (fgets(line, sizeof(line), plan)) {
		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "%63s %1023s %15s %15s %n", name, file, way, how,
			   &len) == 4 && !strcmp(name, argv[argc - 1]))
			status = obey(argv[0], name, file, way, how, line + len);
	}
	fclose(plan);
	return status;
}
