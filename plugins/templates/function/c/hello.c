/* The function. */

#include "hello.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

char *greet(const char *greeting, const char *name)
{
    while (isspace((unsigned char)*name))
        name++;
    size_t length = strlen(name);
    while (length > 0 && isspace((unsigned char)name[length - 1]))
        length--;
    if (length == 0) {
        name = "world";
        length = strlen(name);
    }

    char *text = malloc(strlen(greeting) + length + sizeof ", !\n");
    if (text == NULL)
        abort();
    strcpy(text, greeting);
    strcat(text, ", ");
    strncat(text, name, length);
    strcat(text, "!\n");
    return text;
}
