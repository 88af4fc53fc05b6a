/* Glue between HTTP and the function: takes a request in, and writes an answer. What is answered is in hello.c, which knows
 * nothing of WebAssembly and is tested natively. bindings/function.h declares what there is besides. */

#include "bindings/function.h"
#include "hello.h"

#include <stdlib.h>
#include <string.h>

/* Longest body that is read (bytes). */
#define BODY_BYTES_MAX 65536
#define BODY_TOO_LONG "at most 65536 bytes\n"

/* Most bytes of one write, as wasi:io has it. */
#define WRITE_BYTES_MAX 4096

static char *variable(const char *name);
static char *body_of(http_own_incoming_request_t request);
static void answer(http_own_response_outparam_t out, uint16_t status, const char *text);
static void write_log(const char *line);

/* What the platform calls. */
void exports_wasi_http_incoming_handler_handle(http_own_incoming_request_t request, http_own_response_outparam_t out)
{
    /* Set in leyden.toml. Secrets are found in the same way. */
    char *greeting = variable("GREETING");
    char *name = body_of(request);

    if (name != NULL) {
        char *text = greet(greeting != NULL ? greeting : "Hello", name);
        write_log("answers 200\n");
        answer(out, 200, text);
        free(text);
    } else {
        write_log("answers 413\n");
        answer(out, 413, BODY_TOO_LONG);
    }
    free(name);
    free(greeting);
    http_incoming_request_drop_own(request);
}

/* The value of a variable, which is to be freed; NULL where it is not set. */
static char *variable(const char *name)
{
    function_list_tuple2_string_string_t all;
    char *value = NULL;

    wasi_cli_environment_get_environment(&all);
    for (size_t i = 0; i < all.len && value == NULL; i++) {
        const function_string_t *key = &all.ptr[i].f0, *text = &all.ptr[i].f1;
        if (key->len == strlen(name) && memcmp(key->ptr, name, key->len) == 0)
            value = strndup((const char *)text->ptr, text->len);
    }
    function_list_tuple2_string_string_free(&all);
    return value;
}

/* What is left in the stream, as a string that is to be freed; NULL where it is too long or was cut off. */
static char *read_all(io_borrow_input_stream_t stream)
{
    char *text = malloc(BODY_BYTES_MAX + 1);
    size_t length = 0;
    function_list_u8_t piece;
    io_stream_error_t end;

    if (text == NULL)
        abort();
    while (io_method_input_stream_blocking_read(stream, BODY_BYTES_MAX, &piece, &end)) {
        bool fits = piece.len <= BODY_BYTES_MAX - length;
        if (fits)
            memcpy(text + length, piece.ptr, piece.len);
        length += piece.len;
        function_list_u8_free(&piece);
        if (!fits) {
            free(text);
            return NULL;
        }
    }
    if (end.tag != IO_STREAM_ERROR_CLOSED) {
        io_stream_error_free(&end);
        free(text);
        return NULL;
    }
    text[length] = '\0';
    return text;
}

/* The request's body, as read_all has it. */
static char *body_of(http_own_incoming_request_t request)
{
    http_own_incoming_body_t body;
    http_own_input_stream_t stream;
    char *text = NULL;

    if (!http_method_incoming_request_consume(http_borrow_incoming_request(request), &body))
        return NULL;
    if (http_method_incoming_body_stream(http_borrow_incoming_body(body), &stream)) {
        text = read_all(io_borrow_input_stream(stream));
        io_input_stream_drop_own(stream);
    }
    http_incoming_body_drop_own(body);
    return text;
}

static void write_all(io_borrow_output_stream_t stream, const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        function_list_u8_t piece = {(uint8_t *)text, left < WRITE_BYTES_MAX ? left : WRITE_BYTES_MAX};
        io_stream_error_t error;
        if (!io_method_output_stream_blocking_write_and_flush(stream, &piece, &error)) {
            /* Whoever reads has gone, which is nothing to do anything about. */
            io_stream_error_free(&error);
            return;
        }
        text += piece.len;
        left -= piece.len;
    }
}

static void answer(http_own_response_outparam_t out, uint16_t status, const char *text)
{
    const char *type = "text/plain; charset=utf-8";
    http_own_fields_t headers = http_constructor_fields();
    http_field_name_t name;
    http_field_value_t value = {(uint8_t *)type, strlen(type)};
    http_header_error_t refused;

    /* Name, value and status are allowed, and nobody has taken the body: none of these calls can fail. */
    function_string_set(&name, "content-type");
    http_method_fields_append(http_borrow_fields(headers), &name, &value, &refused);
    http_own_outgoing_response_t response = http_constructor_outgoing_response(headers);
    http_method_outgoing_response_set_status_code(http_borrow_outgoing_response(response), status);
    http_own_outgoing_body_t body;
    http_method_outgoing_response_body(http_borrow_outgoing_response(response), &body);

    http_result_own_outgoing_response_error_code_t result = {.is_err = false, .val.ok = response};
    http_static_response_outparam_set(out, &result);

    http_own_output_stream_t stream;
    if (http_method_outgoing_body_write(http_borrow_outgoing_body(body), &stream)) {
        write_all(io_borrow_output_stream(stream), text);
        io_output_stream_drop_own(stream);
    }
    http_error_code_t error;
    if (!http_static_outgoing_body_finish(body, NULL, &error))
        http_error_code_free(&error);
}

/* Writes a line to the function's log. */
static void write_log(const char *line)
{
    wasi_cli_stderr_own_output_stream_t log = wasi_cli_stderr_get_stderr();

    write_all(io_borrow_output_stream(log), line);
    io_output_stream_drop_own(log);
}
