// SPDX-License-Identifier: GPL-2.0-only
/*
 * host command...
 *
 * Runs QEMU, passes on what the guest says on its serial port, and answers the
 * line "cpu?" with the seconds of CPU time that QEMU has taken. Emulated CPUs
 * outnumber the real ones, and a guest counts as its own the time that it spends
 * waiting for them: only the host knows what its work costs.
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
