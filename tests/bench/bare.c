/* The unavoidable: the agent's reads of /proc, one write to a socket, the wait for a short answer
 * and its read, once a second. What an agent costs beyond this is its own.
 *
 * bare PORT answer   waits for an answer after each write
 * bare PORT silent   does not
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    STAT = 256,        /* the first line of /proc/stat */
    MEMINFO = 2048,    /* all of /proc/meminfo */
    UPTIME = 64,       /* all of /proc/uptime */
    TEMP = 32,         /* a thermal zone */
    SECONDARY = 30,    /* ticks between two reads of the uptime */
    MESSAGE = 256,     /* a publish: method, header, properties, and a report of 60 to 120 bytes */
    ANSWER = 64,       /* more than a Basic.Ack, which is 21 bytes */
    PATIENCE_MS = 900, /* for the answer */
};

static int opened(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        err(1, "%s", path);
    return fd;
}

static void reread(int fd, size_t length) {
    static char buffer[MEMINFO];
    if (pread(fd, buffer, length, 0) <= 0)
        err(1, "pread");
}

static int connected(const char *port) {
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};
    peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&peer, sizeof peer) < 0)
        err(1, "connect to 127.0.0.1:%s", port);
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) < 0)
        err(1, "TCP_NODELAY");
    return fd;
}

int main(int argc, char **argv) {
    if (argc != 3 || (strcmp(argv[2], "answer") && strcmp(argv[2], "silent")))
        errx(2, "expected PORT answer|silent");
    int answered = !strcmp(argv[2], "answer");
    int stat = opened("/proc/stat"), meminfo = opened("/proc/meminfo"), uptime = opened("/proc/uptime");
    int temp = open("/sys/class/thermal/thermal_zone0/temp", O_RDONLY | O_CLOEXEC); /* not every machine has one */
    struct pollfd peer = {.fd = connected(argv[1]), .events = POLLIN};
    char message[MESSAGE], answer[ANSWER];
    memset(message, '.', sizeof message);

    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    for (unsigned tick = 0;; tick++) {
        reread(stat, STAT);
        reread(meminfo, MEMINFO);
        if (temp >= 0)
            reread(temp, TEMP);
        if (tick % SECONDARY == 0)
            reread(uptime, UPTIME);
        if (send(peer.fd, message, sizeof message, MSG_NOSIGNAL) != (ssize_t)sizeof message)
            err(1, "send");
        if (answered) {
            if (poll(&peer, 1, PATIENCE_MS) != 1)
                errx(1, "no answer");
            if (read(peer.fd, answer, sizeof answer) <= 0)
                err(1, "read");
        }
        deadline.tv_sec++;
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL) == EINTR)
            ;
    }
}
