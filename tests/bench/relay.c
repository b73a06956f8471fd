/* relay PORT PUBLISH_PORT: what the kernel alone costs a master node of chasar.
 *
 * Reads from clients, and writes whole messages to every subscriber as they are, many at once. It looks at
 * nothing but the lengths of frames, knows only peers like those of load.rs, and blocks on a slow subscriber. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <err.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOM = 256 * 1024, TURN = 64 * 1024, DESCRIPTORS = 20000, PEERS = 64, GREETING = 64, READY = 27 };

static struct client {
    size_t skip; /* of the handshake */
    size_t have; /* of a message that has begun */
    char *rest;
} clients[DESCRIPTORS];

static int subscribers[PEERS], subscribed;
static char room[ROOM];
static size_t used;

static int listening(const char *port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (void *)&at, sizeof at) || listen(fd, 4096))
        err(1, "port %s", port);
    return fd;
}

static void all(int fd, const char *bytes, size_t length) {
    while (length) {
        ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);
        if (n < 0)
            err(1, "send");
        bytes += n;
        length -= n;
    }
}

/* A connection, greeted as a PUB or a SUB; -1 where there is none. */
static int accepted(int listener, const char *type) {
    int fd = accept(listener, 0, 0), on = 1;
    if (fd < 0)
        return fd;
    char hello[GREETING + READY] = {(char)0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0, 'N', 'U', 'L', 'L'};
    memcpy(hello + GREETING, "\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03", READY - 3);
    memcpy(hello + GREETING + READY - 3, type, 3);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    all(fd, hello, sizeof hello);
    return fd;
}

static void flush(void) {
    for (int i = 0; i < subscribed; i++)
        all(subscribers[i], room, used);
    used = 0;
}

/* How many of these bytes are whole messages. */
static size_t whole(const char *bytes, size_t length) {
    size_t end = 0, at = 0;
    while (at + 2 <= length) {
        unsigned char flags = bytes[at];
        uint64_t size = (unsigned char)bytes[at + 1];
        if (flags & 2) {
            if (at + 9 > length)
                break;
            memcpy(&size, bytes + at + 1, 8);
            size = be64toh(size);
        }
        at += (flags & 2 ? 9 : 2) + size;
        if (!(flags & 1) && at <= length)
            end = at;
    }
    return end;
}

static void receive(int fd) {
    struct client *client = &clients[fd];
    if (used + client->have + TURN > ROOM)
        flush();
    char *bytes = room + used;
    memcpy(bytes, client->rest, client->have);
    ssize_t n = recv(fd, bytes + client->have, TURN, 0);
    if (n <= 0)
        exit(0); /* the load has ended */
    if (client->skip) {
        size_t skipped = (size_t)n < client->skip ? (size_t)n : client->skip;
        client->skip -= skipped;
        memmove(bytes, bytes + skipped, n -= skipped);
    }
    size_t length = client->have + n, end = whole(bytes, length);
    client->have = length - end;
    if (client->have) {
        client->rest = realloc(client->rest, client->have);
        memcpy(client->rest, bytes + end, client->have);
    }
    used += end;
}

int main(int argc, char **argv) {
    if (argc != 3)
        errx(2, "expected PORT PUBLISH_PORT");
    int for_clients = listening(argv[1]), for_subscribers = listening(argv[2]), epoll = epoll_create1(0), fd;
    struct epoll_event events[256], event = {.events = EPOLLIN};
    for (int i = 0; i < 2; i++) {
        event.data.fd = i ? for_subscribers : for_clients;
        epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
    }
    for (;;) {
        int count = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == for_subscribers) {
                /* What it says is never read: it wants everything. */
                while (subscribed < PEERS && (fd = accepted(for_subscribers, "PUB")) >= 0)
                    subscribers[subscribed++] = fd;
            } else if (events[i].data.fd == for_clients) {
                while ((fd = accepted(for_clients, "SUB")) >= 0) {
                    all(fd, "\0\1\1", 3);
                    clients[fd] = (struct client){.skip = GREETING + READY};
                    event.data.fd = fd;
                    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
                }
            } else {
                receive(events[i].data.fd);
            }
        }
        flush();
    }
}
