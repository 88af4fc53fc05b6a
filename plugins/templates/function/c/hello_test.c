/* Tests of the function, natively. */

#include "hello.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failed = 0;

static void check(const char *greeting, const char *name, const char *expected)
{
    char *text = greet(greeting, name);

    if (strcmp(text, expected) != 0) {
        fprintf(stderr, "\"%s\" to \"%s\" is \"%s\", not \"%s\"\n", greeting, name, text, expected);
        failed = 1;
    }
    free(text);
}

int main(void)
{
    check("Hello", " Ada\n", "Hello, Ada!\n");
    check("Hello", "Ada Byron", "Hello, Ada Byron!\n");
    check("Hej", "", "Hej, world!\n");
    check("Hej", " \n", "Hej, world!\n");
    return failed;
}
