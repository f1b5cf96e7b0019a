/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_config_source.c - files become one text for libconfig, and lines keep their places.
 *
 * Goal: includes, big numbers, "*" and comments come out as config_source.h says, what
 * libconfig would read wrongly is refused with its place, and nothing else changes.
 * Method: rows of text in and text out; rows of errors; small trees of files; every cut
 * of an input; then all short texts and random longer ones, read by libconfig once as
 * they are and once as prepared: both must give the same settings.
 *
 * A number as argument is the seed of the random part.
 */
#include "engine/config_source.h"
#include "tests/tools/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <libconfig.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ERROR_LEN    512

static char work[] = "/tmp/test-config-source-XXXXXX";

/* ---- rows ---- */

/* clang-format off */
static const char *const good[][2] = {
    {"",                                "\n"},
    {"a = 1;\n",                        "a = 1;\n\n"},
    {"a = 2147483647;",                 "a = 2147483647;\n"},
    {"a = 2147483648;",                 "a = 2147483648L;\n"},
    {"a = -2147483649;",                "a = -2147483649L;\n"},
    {"a = 2147483648L;",                "a = 2147483648L;\n"},
    {"a = 9223372036854775807;",        "a = 9223372036854775807L;\n"},
    {"a = 0x7fffffff;",                 "a = 0x7fffffff;\n"},
    {"a = 0xFFFFFFFF;",                 "a = 0xFFFFFFFFL;\n"},
    {"a = 00000000000000000012;",       "a = 00000000000000000012;\n"},
    {"a = 1.5e3; b = 1e9; c = .5;",     "a = 1.5e3; b = 1e9; c = .5;\n"},
    {"a=1# x \"\nb=2// y \"\nc=3",      "a=1\nb=2\nc=3\n"},
    {"a/* x\n y */= /**/1 /***/;",      "a \n=  1  ;\n"},
    {"a = \"# // /* 5000000000 @include\";", "a = \"# // /* 5000000000 @include\";\n"},
    {"a = \"q\\\" # \\\\\"; # b",       "a = \"q\\\" # \\\\\"; \n"},
    {"g = { \"*\" = 5; };",             "g = { * = 5; };\n"},
    {"g = { \"*\"\t : 5; };",           "g = { *\t : 5; };\n"},
    {"a = \"*\";",                      "a = \"*\";\n"},
    {"a = \"x\ny\";",                   "a = \"x\ny\";\n"},
    {"a = 1 @include \"x\"",            "a = 1 @include \"x\"\n"},
    {"n9 = 1; x-5000000000 = 1;",       "n9 = 1; x-5000000000 = 1;\n"},
};

/* Text, and what the error says; the place is always line 2. */
static const char *const bad[][2] = {
    {"\na = 10mb;",                     "10mb is no number; right: quotes around it, \"10mb\""},
    {"\na = 5%;",                       "5% is no number; right: quotes around it, \"5%\""},
    {"\na = -5s;",                      "-5s is no number; right: quotes around it, \"-5s\""},
    {"\na = 0x5g;",                     "0x5g is no number"},
    {"\na = 5LX;",                      "5LX is no number"},
    {"\na = 9223372036854775808;",      "9223372036854775808 is beyond 64 bits"},
    {"\na = 0x8000000000000000;",       "is beyond 64 bits"},
    {"\na = 99999999999999999999999L;", "is beyond 64 bits"},
    {"\na = \"b\n\n",                   "a string begins here and has no end"},
    {"\na = \"b\\",                     "a string begins here and has no end"},
    {"\na = 1; /* b\n\n",               "a comment begins here and has no end"},
    {"\na = \"\\x00b\";",               "a NUL stands in a string"},
    {"\n@include",                      "right: @include \"FILE\""},
    {"\n@include x",                    "right: @include \"FILE\""},
    {"\n@include \"\"",                 "right: @include \"FILE\""},
    {"\n@include \"x\n\"",              "right: @include \"FILE\""},
    {"\n  @include \"/no/such/file\"",  "@include \"/no/such/file\": No such file or directory"},
    {"\n@include \"/tmp\"",             "@include \"/tmp\": Is a directory"},
    {"\n@include \"/dev/null\"",        "it is no regular file"},
};
/* clang-format on */

static void test_good_rows(void)
{
    for (size_t i = 0; i < COUNT(good); i++) {
        char error[ERROR_LEN] = "";
        struct rp_config_source source;
        int result = rp_config_source_take(&source, "name", good[i][0], error, sizeof(error));
        const char *made = result == 0 ? source.text : NULL;
        if (made == NULL || strcmp(made, good[i][1]) != 0) {
            printf("\n%s\n->\n%s%s\n", good[i][0], made == NULL ? "" : made, error);
            CU_FAIL("a row");
        }
        if (made != NULL) {
            CU_ASSERT_EQUAL(strlen(made), source.text_len);
            rp_config_source_close(&source);
        }
        CU_ASSERT_PTR_NULL(source.text);
        rp_config_source_close(&source); /* zeroed: fine */
    }
}

static void test_bad_rows(void)
{
    for (size_t i = 0; i < COUNT(bad); i++) {
        char error[ERROR_LEN] = "";
        struct rp_config_source source;
        int result = rp_config_source_take(&source, "name", bad[i][0], error, sizeof(error));
        if (result >= 0 || strncmp(error, "name:2: ", 8) != 0 || strstr(error, bad[i][1]) == NULL) {
            printf("\n%s\n-> %d %s\n", bad[i][0], result, error);
            CU_FAIL("a row");
        }
        CU_ASSERT(source.text == NULL && source.lines == NULL && source.file_count == 0);
    }
}

/* A short buffer takes what fits, with its NUL. */
static void test_short_error(void)
{
    char whole[ERROR_LEN];
    struct rp_config_source source;
    (void)rp_config_source_take(&source, "name", bad[0][0], whole, sizeof(whole));
    for (size_t len = 1; len < strlen(whole); len++) {
        char *error = malloc(len);
        if (error == NULL) {
            CU_FAIL("no memory");
            return;
        }
        int result = rp_config_source_take(&source, "name", bad[0][0], error, len);
        CU_ASSERT_EQUAL(result, -EINVAL);
        CU_ASSERT(strlen(error) == len - 1 && strncmp(error, whole, len - 1) == 0);
        free(error);
    }
}

/* ---- files ---- */

static void write_file(const char *name, const void *data, size_t len)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", work, name); /* short names */
    (void)unlink(path); /* truncating instead makes some file systems wait for the disk */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_FATAL(write(fd, data, len) == (ssize_t)len);
    (void)close(fd);
}

static int read_source(struct rp_config_source *source, const char *name, char *error)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", work, name);
    return rp_config_source_read(source, path, error, ERROR_LEN);
}

static bool place_is(const struct rp_config_source *source,
                     unsigned at,
                     const char *file,
                     unsigned line)
{
    struct rp_config_place place = rp_config_source_place(source, at);
    size_t work_len = strlen(work);
    bool is_right = place.line == line && strncmp(place.file, work, work_len) == 0 &&
                    strcmp(place.file + work_len + 1, file) == 0;
    if (!is_right) {
        printf("\nline %u: %s:%u, want %s:%u\n", at, place.file, place.line, file, line);
    }
    return is_right;
}

static void test_includes(void)
{
    static const char top[] = "a = 1;\n@include \"sub/one\" b = 2;\n\t@include \"two\"\nc = 3;";
    static const char one[] = "one = 1;\n@include \"../two\"\none2 = 2;";
    static const char two[] = "/* x\n */ two = 2;\n";
    char error[ERROR_LEN] = "";
    struct rp_config_source source;
    write_file("top", top, sizeof(top) - 1);
    write_file("sub/one", one, sizeof(one) - 1);
    write_file("two", two, sizeof(two) - 1);
    CU_ASSERT_EQUAL_FATAL(read_source(&source, "top", error), 0);
    static const char wanted[] = "a = 1;\n\none = 1;\n\n \n two = 2;\n\n\none2 = 2;\n"
                                 " b = 2;\n\t\n \n two = 2;\n\n\nc = 3;\n";
    CU_ASSERT(source.text != NULL && strcmp(source.text, wanted) == 0);
    CU_ASSERT(place_is(&source, 1, "top", 1));
    CU_ASSERT(place_is(&source, 3, "sub/one", 1));
    CU_ASSERT(place_is(&source, 6, "sub/../two", 2));
    CU_ASSERT(place_is(&source, 9, "sub/one", 3));
    CU_ASSERT(place_is(&source, 10, "top", 2));
    CU_ASSERT(place_is(&source, 13, "two", 2));
    CU_ASSERT(place_is(&source, 16, "top", 4));
    CU_ASSERT(place_is(&source, 99, "top", 4));
    rp_config_source_close(&source);
}

static void test_too_many_includes(void)
{
    char error[ERROR_LEN] = "";
    char many[2000] = "";
    struct rp_config_source source;
    write_file("self", "\n@include \"self\"\n", 17);
    CU_ASSERT_EQUAL(read_source(&source, "self", error), -ELOOP);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "/self:2: too many files: at most 9 within each other"));
    write_file("empty", "", 0);
    for (int i = 0; i < RP_CONFIG_SOURCE_FILES; i++) {
        size_t len = strlen(many);
        (void)snprintf(many + len, sizeof(many) - len, "@include \"empty\"\n"); /* 17 octets each */
        write_file("many", many, strlen(many));
        int result = read_source(&source, "many", error);
        CU_ASSERT_EQUAL(result, i < RP_CONFIG_SOURCE_FILES - 1 ? 0 : -ELOOP);
        rp_config_source_close(&source);
    }
}

static void test_files_that_are_none(void)
{
    char error[ERROR_LEN] = "";
    char *big = malloc(RP_CONFIG_SOURCE_MAX + 1);
    struct rp_config_source source;
    if (big == NULL) {
        CU_FAIL("no memory");
        return;
    }
    CU_ASSERT_EQUAL(rp_config_source_read(&source, "/dev/zero", error, ERROR_LEN), -EFBIG);
    CU_ASSERT_EQUAL(read_source(&source, ".", error), -EISDIR);
    CU_ASSERT_EQUAL(read_source(&source, "no-such-file", error), -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "no-such-file: cannot be read: No such file"));
    write_file("nul", "a = 1;\n\0", 8);
    CU_ASSERT_EQUAL(read_source(&source, "nul", error), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "/nul:2: a NUL stands here"));
    write_file("nul2", "\na = \"\0\";\n", 10);
    CU_ASSERT_EQUAL(read_source(&source, "nul2", error), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "/nul2:2: a NUL stands in a string"));

    /* As large as allowed, and one octet more: what is read, and what is made of it. */
    memset(big, ' ', RP_CONFIG_SOURCE_MAX + 1);
    write_file("big", big, RP_CONFIG_SOURCE_MAX - 1);
    CU_ASSERT_EQUAL(read_source(&source, "big", error), 0);
    CU_ASSERT_EQUAL(source.text_len, RP_CONFIG_SOURCE_MAX);
    rp_config_source_close(&source);
    write_file("big", big, RP_CONFIG_SOURCE_MAX);
    CU_ASSERT_EQUAL(read_source(&source, "big", error), -EFBIG);
    write_file("big", big, RP_CONFIG_SOURCE_MAX + 1);
    CU_ASSERT_EQUAL(read_source(&source, "big", error), -EFBIG);

    /* An included FIFO is refused at once; nobody ever opens its other end. */
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/fifo", work);
    CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
    write_file("waits", "@include \"fifo\"", 15);
    CU_ASSERT_EQUAL(read_source(&source, "waits", error), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "it is no regular file"));
    free(big);
}

/* ---- libconfig as the judge ---- */

/* Both settings say the same, down to their lines. Groups within groups are what `open` holds. */
static bool same(const config_setting_t *a, const config_setting_t *b)
{
    const config_setting_t *open[64][2] = {
        {a, b}
    };
    size_t count = 1;
    while (count > 0) {
        a = open[--count][0];
        b = open[count][1];
        const char *a_name = config_setting_name(a);
        const char *b_name = config_setting_name(b);
        if (config_setting_type(a) != config_setting_type(b) ||
            config_setting_length(a) != config_setting_length(b) ||
            strcmp(a_name != NULL ? a_name : "", b_name != NULL ? b_name : "") != 0) {
            return false;
        }
        if (config_setting_type(a) == CONFIG_TYPE_STRING &&
            strcmp(config_setting_get_string(a), config_setting_get_string(b)) != 0) {
            return false;
        }
        if (config_setting_get_int64(a) != config_setting_get_int64(b)) {
            return false;
        }
        bool has_members = config_setting_is_aggregate(a);
        for (unsigned i = 0; has_members && i < (unsigned)config_setting_length(a); i++) {
            CU_ASSERT_FATAL(count < COUNT(open));
            open[count][0] = config_setting_get_elem(a, i);
            open[count][1] = config_setting_get_elem(b, i);
            count++;
        }
    }
    return true;
}

static unsigned long accepted_count;

static void compare(const char *text)
{
    char error[ERROR_LEN] = "";
    char line[ERROR_LEN];
    struct rp_config_source source;
    config_t raw;
    config_t prepared;
    config_init(&raw);
    config_init(&prepared);
    /* libconfig alone does not take a comment in a last line without its end. */
    (void)snprintf(line, sizeof(line), "%s\n", text); /* texts are shorter */
    bool is_raw_good = config_read_string(&raw, line) == CONFIG_TRUE;
    int result = rp_config_source_take(&source, "name", text, error, sizeof(error));
    bool is_fine = true;
    if (result == 0) {
        bool is_good = config_read_string(&prepared, source.text) == CONFIG_TRUE;
        accepted_count += is_good;
        is_fine = is_good == is_raw_good &&
                  (!is_good || same(config_root_setting(&raw), config_root_setting(&prepared)));
        rp_config_source_close(&source);
    } else {
        /* What only we refuse: letters behind digits, and a string or comment without an end. */
        is_fine =
            !is_raw_good || strpbrk(text, "0123456789\"") != NULL || strstr(text, "/*") != NULL;
    }
    if (!is_fine) {
        printf("\n%s\n-> %d %s\n", text, result, error);
        CU_FAIL("libconfig reads something else");
    }
    config_destroy(&prepared);
    config_destroy(&raw);
}

static void test_all_short_texts(void)
{
    static const char *const symbols[] = {"",  "a", "b=", "1",  ";", "\"",
                                          "#", "/", "*",  "\n", "{", "}"};
    char text[64];
    size_t total = COUNT(symbols) * COUNT(symbols) * COUNT(symbols) * COUNT(symbols);
    accepted_count = 0;
    for (size_t number = 0; number < total; number++) {
        size_t rest = number;
        text[0] = '\0';
        for (int i = 0; i < 4; i++) {
            size_t len = strlen(text);
            (void)snprintf(text + len, sizeof(text) - len, "%s", symbols[rest % COUNT(symbols)]);
            rest /= COUNT(symbols);
        }
        compare(text);
    }
    CU_ASSERT(accepted_count > 100);
}

/* Mostly right texts: a few pieces are swapped, doubled or missing. */
static void test_random_texts(void)
{
    static const char *const pieces[] = {
        "a = ", "b : ",  "c-d=",   "e = ",  "12;",  "-5,",      "\"x # y\";", "\"q\\\"\";", "true;",
        "{ ",   " };\n", "[1,2];", "0x1f;", "1.5;", "# c \"\n", "// d\n",     "/* e\n */",  "\n",
    };
    uint64_t state = suite_seed;
    char text[512];
    accepted_count = 0;
    for (int round = 0; round < 20000; round++) {
        text[0] = '\0';
        for (size_t count = suite_random_below(&state, 12); count > 0; count--) {
            size_t len = strlen(text);
            /* A name and its value in most cases, so that many texts are right. */
            size_t name = suite_random_below(&state, 4);
            size_t value = 4 + suite_random_below(&state, COUNT(pieces) - 4);
            bool has_name = suite_random_below(&state, 8) != 0;
            (void)snprintf(text + len, sizeof(text) - len, "%s%zu%s%s", "n",
                           suite_random_below(&state, 1000), has_name ? pieces[name] + 1 : "",
                           pieces[value]);
        }
        compare(text);
    }
    CU_ASSERT(accepted_count > 1000);
}

/* Cut anywhere, a text is refused with a place or taken; nothing is left behind either way. */
static void test_cuts(void)
{
    static const char text[] = "a = { b = 5000000000; \"*\" = 1; }; /* x\n */ c = \"y\\\"z\\x41\"; "
                               "# d\n// e\n@include \"/no/such\"\n";
    for (size_t len = 0; len < sizeof(text); len++) {
        char error[ERROR_LEN] = "";
        struct rp_config_source source;
        char *cut = strndup(text, len); /* the heap's end is the sanitizer's guard */
        CU_ASSERT_FATAL(cut != NULL);
        int result = rp_config_source_take(&source, "name", cut, error, sizeof(error));
        CU_ASSERT(result == 0 || strncmp(error, "name:", 5) == 0);
        rp_config_source_close(&source);
        free(cut);
    }
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"good rows",                    test_good_rows          },
        {"bad rows",                     test_bad_rows           },
        {"a short buffer for the error", test_short_error        },
        {"includes",                     test_includes           },
        {"too many includes",            test_too_many_includes  },
        {"files that are none",          test_files_that_are_none},
        {"every cut",                    test_cuts               },
        {"all short texts",              test_all_short_texts    },
        {"random texts",                 test_random_texts       },
    };
    static const char *const files[] = {"sub/one", "sub", "two",  "top", "self", "empty",
                                        "many",    "nul", "nul2", "big", "fifo", "waits"};
    char path[256];
    if (mkdtemp(work) == NULL) {
        return 1;
    }
    (void)snprintf(path, sizeof(path), "%s/sub", work);
    if (mkdir(path, 0700) != 0) {
        return 1;
    }
    int status = SUITE_RUN("engine/config_source", tests, argc, argv);
    for (size_t i = 0; i < COUNT(files); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", work, files[i]);
        (void)remove(path); /* what a failed test did not make is not there */
    }
    return rmdir(work) == 0 ? status : 1;
}
