/* function.c and function.h are made of wit/ by wit-bindgen: `make bindings` makes them anew. They want an object file with the
 * component's type to be linked, which this symbol stands for; the linker reads the type in wit/ instead. */

void __component_type_object_force_link_function(void);

void __component_type_object_force_link_function(void)
{
}
