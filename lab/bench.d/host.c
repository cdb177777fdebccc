// SPDX-License-Identifier: GPL-2.0-only
/*
 * host command...
 *
 * Run QEMU and print what the guest writes to its serial port. The reply to the line
 * "cpu?" is the CPU time of QEMU in seconds. The guest cannot measure its CPU time: it has
 * more CPUs than the host, and counts the time that it waits for one of these as its own.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "host: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double cpu_seconds(pid_t pid)
{
	struct timespec t;
	clockid_t clock;

	errno = clock_getcpuclockid(pid, &clock);
	if (errno || clock_gettime(clock, &t))
		die("clock of QEMU");
	return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char *argv[])
{
	int to[2], from[2], status;
	char *line = NULL;
	size_t size = 0;
	pid_t pid;
	FILE *f;

	if (argc < 2 || pipe(to) || pipe(from))
		die("host command...");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(to[0], STDIN_FILENO);
		dup2(from[1], STDOUT_FILENO);
		close(to[1]);
		close(from[0]);
		execvp(argv[1], argv + 1);
		die(argv[1]);
	}
	close(to[0]);
	close(from[1]);
	signal(SIGPIPE, SIG_IGN);
	f = fdopen(from[0], "r");
	if (!f)
		die("fdopen");
	while (getline(&line, &size, f) > 0) {
		line[strcspn(line, "\r\n")] = '\0';
		if (!strcmp(line, "cpu?")) {
			dprintf(to[1], "%.9f\n", cpu_seconds(pid));
			continue;
		}
		puts(line);
		fflush(stdout);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 1;
	return WEXITSTATUS(status);
}
