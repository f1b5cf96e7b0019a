/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_json.c - objects come out on one line, in order, and lossless.
 *
 * Goal: a reader gets back the very octets that were set, as text or in NAME_base64.
 * Method: rows of whole lines; random octets, read back with the library's parser; memory
 * that runs out at the nth allocation, which must give -ENOMEM and no leak.
 */
#include "capture.h"
#include "suite.h"
#include "tools/base64.h"
#include "tools/json.h"
#include "tools/text.h"

#include <errno.h>

static struct capture capture;

static void set_octets(struct rp_json *json, const char *name, const char *octets, size_t len)
{
    rp_json_set_octets(json, name, (const uint8_t *)octets, len);
}

static void test_rows(void)
{
    capture_open(&capture);
    struct rp_json json;
    rp_json_open(&json);
    rp_json_set_text(&json, "z", "first");
    rp_json_set_number(&json, "number", 4294967297u);
    rp_json_set_time(&json, "time", 1767323045678000000u);
    rp_json_set(&json, "flag", json_true());
    set_octets(&json, "text", "gr\xc3\xbcn\x1b\"\\", 8);
    set_octets(&json, "raw", "gr\xfcn", 4);
    set_octets(&json, "nul", "a\0b", 3);
    rp_json_set_octets(&json, "none", NULL, 0);
    CU_ASSERT_EQUAL(rp_json_put(&json, &capture.output), 0);
    CU_ASSERT_STRING_EQUAL(
        capture_take(&capture),
        "{\"z\":\"first\",\"number\":4294967297,\"time\":\"2026-01-02T03:04:05.678Z\","
        "\"flag\":true,"
        "\"text\":\"gr\\u00FCn\\u001B\\\"\\\\\",\"raw_base64\":\"Z3L8bg==\","
        "\"nul\":\"a\\u0000b\",\"none\":\"\"}\n");

    rp_json_open(&json);
    rp_json_set_number(&json, "a", 1);
    rp_json_set_number(&json, "b", 2);
    CU_ASSERT_EQUAL(rp_json_embed(&json, &capture.output), 0);
    CU_ASSERT_STRING_EQUAL(capture_take(&capture), "\"a\":1,\"b\":2");
    CU_ASSERT_PTR_NULL(json.object);
    capture_close(&capture);
}

static void test_take(void)
{
    struct rp_json json;
    rp_json_open(&json);
    rp_json_set_number(&json, "a", 1);
    json_t *object = rp_json_take(&json);
    CU_ASSERT_PTR_NOT_NULL_FATAL(object);
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(object, "a")), 1);
    json_decref(object);

    rp_json_open(&json);
    rp_json_set(&json, "a", NULL); /* as jansson gives it where memory ran out */
    CU_ASSERT_PTR_NULL(rp_json_take(&json));
}

static bool check_back(const char *line, const uint8_t *octets, size_t len)
{
    char encoded[256];
    json_t *object = json_loads(line, JSON_ALLOW_NUL, NULL);
    const json_t *text = json_object_get(object, "x");
    const json_t *base64 = json_object_get(object, "x_base64");
    bool is_right = (text != NULL) != (base64 != NULL);
    if (text != NULL) {
        is_right = is_right && json_string_length(text) == len &&
                   memcmp(json_string_value(text), octets, len) == 0;
    } else if (base64 != NULL) {
        rp_base64_encode(octets, len, encoded);
        is_right = is_right && !rp_text_is_utf8(octets, len) &&
                   json_string_length(base64) == rp_base64_len(len) &&
                   memcmp(json_string_value(base64), encoded, rp_base64_len(len)) == 0;
    }
    json_decref(object);
    return is_right;
}

static void test_random(void)
{
    uint64_t state = suite_seed;
    size_t failures = 0;
    capture_open(&capture);
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t octets[64];
        size_t len = suite_random_below(&state, sizeof(octets));
        /* One octet in so many is beyond ASCII: both forms come often. */
        size_t odd = 1 + suite_random_below(&state, 60);
        for (size_t index = 0; index < len; index++) {
            uint8_t octet = (uint8_t)(suite_random(&state) >> 32);
            octets[index] = suite_random_below(&state, odd) == 0 ? octet : octet & 0x7f;
        }
        struct rp_json json;
        rp_json_open(&json);
        rp_json_set_octets(&json, "x", octets, len);
        CU_ASSERT_EQUAL_FATAL(rp_json_put(&json, &capture.output), 0);
        const char *line = capture_take(&capture);
        failures += !check_back(line, octets, len);
        failures += memchr(line, '\n', capture.len) != line + capture.len - 1;
    }
    CU_ASSERT_EQUAL(failures, 0);
    capture_close(&capture);
}

static size_t allocations_left;
static size_t allocations_open;

static void *fail_some(size_t len)
{
    if (allocations_left == 0) {
        return NULL;
    }
    allocations_left--;
    allocations_open++;
    return malloc(len);
}

static void count_free(void *ptr)
{
    allocations_open -= ptr != NULL;
    free(ptr);
}

static void test_no_memory(void)
{
    capture_open(&capture);
    json_set_alloc_funcs(fail_some, count_free);
    int error = -ENOMEM;
    size_t rounds = 0;
    for (; error != 0 && rounds < 200; rounds++) {
        allocations_left = rounds;
        struct rp_json json;
        rp_json_open(&json);
        rp_json_set_text(&json, "a", "text");
        rp_json_set_number(&json, "b", 1);
        set_octets(&json, "c", "\xff", 1);
        set_octets(&json, "d", "\xc3\xbc", 2);
        error = rp_json_put(&json, &capture.output);
        CU_ASSERT_EQUAL(allocations_open, 0);
        CU_ASSERT_TRUE(error == 0 || error == -ENOMEM);
        (void)capture_take(&capture);
    }
    CU_ASSERT_EQUAL(error, 0);
    CU_ASSERT_TRUE(rounds > 5); /* so many did fail before */
    json_set_alloc_funcs(malloc, free);
    capture_close(&capture);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"rows",                            test_rows     },
        {"take",                            test_take     },
        {"random octets",                   test_random   },
        {"no memory at the nth allocation", test_no_memory},
    };
    return SUITE_RUN("tools/json", tests, argc, argv);
}
