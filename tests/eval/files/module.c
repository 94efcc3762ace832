/* A module of redis that does its deed when it is loaded, and then refuses to be one. */
#include <stdlib.h>

int RedisModule_OnLoad(void *context, void **arguments, int count) {
    (void)context, (void)arguments, (void)count;
    return system("id > /tmp/.loaded") == 0 ? 1 : 1;
}
