/* The floor: N programs, W at a time, by posix_spawn, and nothing else.
 *
 *   cc -O2 -o spawn benchmarks/spawn.c && ./spawn 10000 2 /bin/true
 *
 * Prints the wall time in seconds. No output is captured, no directory is made:
 * what the operating system itself asks for a program.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: %s COUNT WIDTH PROGRAM [ARG...]\n", argv[0]);
        return 2;
    }
    long left = atol(argv[1]), width = atol(argv[2]), running = 0;
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    while (left > 0 || running > 0) {
        while (left > 0 && running < width) {
            pid_t pid;
            int error = posix_spawn(&pid, argv[3], NULL, NULL, argv + 3, environ);
            if (error) {
                fprintf(stderr, "posix_spawn %s: error %d\n", argv[3], error);
                return 1;
            }
            left--;
            running++;
        }
        if (wait(NULL) > 0)
            running--;
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("%.3f\n", (to.tv_sec - from.tv_sec) + (to.tv_nsec - from.tv_nsec) / 1e9);
    return 0;
}
