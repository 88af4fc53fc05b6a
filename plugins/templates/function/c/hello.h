#ifndef HELLO_H
#define HELLO_H

/* Greets whoever is named, or the world. What it returns is to be freed. */
char *greet(const char *greeting, const char *name);

#endif
