/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_config.c - a configuration from file and command line is what was written, or an error.
 *
 * Goal: every default is the documented one; files and --set fill the right members; each
 * error names file, line and key; what is printed is read back as the same configuration;
 * the manual has every key, and the example is good. Method: rows; the printed
 * configuration cut at every octet; random configurations printed and read back; the
 * manual page searched for each row of the table.
 *
 * A number as argument is the seed of the random part. TEST_ROOT is the source tree.
 */
#include "engine/config.h"
#include "engine/config_key.h"
#include "tests/tools/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(array)   (sizeof(array) / sizeof((array)[0]))
#define CANNOT_UNSHARE 77
#define TEXT_MAX       (64u << 10)
#define MANUAL         TEST_ROOT "/engine/ringpostd.conf.5"
#define EXAMPLE        TEST_ROOT "/packaging/ringpostd.conf"

/* Too large for a stack frame. */
static struct rp_config config;
static struct rp_config other;
static char text[TEXT_MAX];
static char other_text[TEXT_MAX];

static char work[] = "/tmp/test-config-XXXXXX";
static char path[64];

static void write_config(const char *data, size_t len)
{
    (void)unlink(path); /* truncating instead makes some file systems wait for the disk */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_FATAL(write(fd, data, len) == (ssize_t)len);
    (void)close(fd);
}

static void print(const struct rp_config *from, char *to)
{
    FILE *stream = fmemopen(to, TEXT_MAX, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(stream);
    rp_config_print(from, stream);
    CU_ASSERT_EQUAL(fclose(stream), 0);
}

/* ---- defaults ---- */

static const struct {
    const char *name; /* of the machine */
    const char *hostname;
} machine_names[] = {
    {"",             "localhost"   },
    {"(none)",       "localhost"   }, /* what Linux says where nobody has set one */
    {"two words",    "localhost"   },
    {"<mx>",         "localhost"   },
    {"mx.test",      "mx.test"     },
    {"my_host.test", "my_host.test"},
};

/* In a process of its own, whose machine has these names: 0, or which of them failed. */
static int try_machine_names(void)
{
    for (size_t i = 0; i < COUNT(machine_names); i++) {
        if (sethostname(machine_names[i].name, strlen(machine_names[i].name)) != 0) {
            return -1;
        }
        rp_config_init(&config);
        if (strcmp(config.hostname, machine_names[i].hostname) != 0) {
            return (int)i + 1;
        }
    }
    return 0;
}

static void test_machine_names(void)
{
    pid_t child = fork();
    CU_ASSERT_FATAL(child >= 0);
    if (child == 0) {
        bool has_own = unshare(CLONE_NEWUTS) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWUTS) == 0;
        _exit(has_own ? try_machine_names() : CANNOT_UNSHARE);
    }
    int status = 0;
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_TRUE(WIFEXITED(status));
    if (WEXITSTATUS(status) != CANNOT_UNSHARE) { /* a container may forbid it */
        CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
    }
}

static void test_defaults(void)
{
    rp_config_init(&config);
    CU_ASSERT(strlen(config.hostname) > 0 && strchr(config.hostname, ' ') == NULL);
    CU_ASSERT_STRING_EQUAL(config.ident, "ringpost");
    CU_ASSERT(config.workers == 0 && config.drain_timeout_ns == 30000000000);
    CU_ASSERT(config.user[0] == '\0' && config.group[0] == '\0');
    CU_ASSERT(config.smtp.smtputf8 && config.smtp.pipelining && !config.smtp.strict_addresses);
    CU_ASSERT(config.smtp.vrfy && config.smtp.help);
    CU_ASSERT_EQUAL(config.timeout_command_ns, 300000000000);
    CU_ASSERT_EQUAL(config.timeout_data_ns, 180000000000);
    CU_ASSERT_EQUAL(config.timeout_session_ns, 0);
    CU_ASSERT_EQUAL(config.smtp.message_size_max, 33554432);
    CU_ASSERT_EQUAL(config.smtp.command_line_max, 512);
    CU_ASSERT_EQUAL(config.smtp.line_length_max, 1001);
    CU_ASSERT_EQUAL(config.smtp.local_part_max, 0);
    CU_ASSERT_EQUAL(config.smtp.recipients_max, 1000);
    CU_ASSERT_EQUAL(config.smtp.messages_max, 0);
    CU_ASSERT_EQUAL(config.smtp.errors_max, 20);
    for (int i = 0; i < RP_SMTP_VERB_COUNT; i++) {
        CU_ASSERT_EQUAL(config.smtp.calls_max[i], 0);
    }
    CU_ASSERT_EQUAL(config.limit_connections, 16384);
    CU_ASSERT_EQUAL(config.limit_memory, 1ull << 30);
    CU_ASSERT_EQUAL(config.smtp.bare_newline, RP_DOT_REJECT);
    CU_ASSERT_STRING_EQUAL(config.spool_path, "./spool");
    CU_ASSERT_EQUAL(config.spool_segment_size, 64u << 20);
    CU_ASSERT(config.spool_sync == RP_CONFIG_SYNC_COMMIT && !config.spool_discard);
    CU_ASSERT(config.spool_min_free.percent == 5 && config.spool_min_free.octets == 0);
    CU_ASSERT(config.log_format == RP_CONFIG_LOG_AUTO && config.log_level == RP_CONFIG_LOG_INFO);
    CU_ASSERT(config.log_file[0] == '\0' && config.listener_count == 0);

    char error[RP_CONFIG_ERROR_MAX] = "";
    CU_ASSERT_EQUAL(rp_config_check(&config, error, sizeof(error)), 0);
    CU_ASSERT_STRING_EQUAL(error, "");
}

static void check_spans(const struct rp_config *of)
{
    CU_ASSERT_PTR_EQUAL(of->smtp.hostname.ptr, of->hostname);
    CU_ASSERT_EQUAL(of->smtp.hostname.len, strlen(of->hostname));
    CU_ASSERT_PTR_EQUAL(of->smtp.ident.ptr, of->ident);
    CU_ASSERT_EQUAL(of->smtp.ident.len, strlen(of->ident));
}

static void test_spans(void)
{
    char error[RP_CONFIG_ERROR_MAX];
    rp_config_init(&config);
    check_spans(&config);
    CU_ASSERT_EQUAL(rp_config_set(&config, "ident=x y", error, sizeof(error)), 0);
    check_spans(&config);
    CU_ASSERT_EQUAL(rp_config_assign(&config, "hostname", "mx", error, sizeof(error)), 0);
    check_spans(&config);
    write_config("hostname = \"mx.example\"; ident = \"z\";", 37);
    CU_ASSERT_EQUAL(rp_config_load(&config, path, error, sizeof(error)), 0);
    check_spans(&config);
    rp_config_copy(&other, &config);
    memset(&config, 'x', sizeof(config));
    check_spans(&other);
    CU_ASSERT_STRING_EQUAL(other.hostname, "mx.example");
}

/* ---- files ---- */

static void test_file(void)
{
    static const char file[] =
        "# a comment with a \"quote\n"
        "hostname = \"mx.example\";\n"
        "workers = 3\n"
        "smtp = { vrfy = FALSE; smtputf8 = false };\n"
        "limits: {\n"
        "  memory = 5368709120;           // five times 2^30\n"
        "  message_size = \"10MB\"; line_length = 0;\n"
        "  command_calls = { noop = 5; \"*\" = 20; DATA = 0 };\n"
        "};\n"
        "timeouts = { data = 10; command = \"250ms\" };\n"
        "spool = { path = \"/a \\\"b\\\"\" \"/c\"; min_free = \"1gb\"; sync = \"none\"; };\n"
        "body = { bare_newline = \"keep\"; };\n"
        "log = { level = \"error\"; format = \"json\"; file = \"/var/log/x\" };\n";
    char error[RP_CONFIG_ERROR_MAX] = "";
    rp_config_init(&config);
    write_config(file, sizeof(file) - 1);
    CU_ASSERT_EQUAL(rp_config_load(&config, path, error, sizeof(error)), 0);
    CU_ASSERT_STRING_EQUAL(error, "");
    CU_ASSERT_STRING_EQUAL(config.hostname, "mx.example");
    CU_ASSERT_STRING_EQUAL(config.ident, "ringpost");
    CU_ASSERT(config.workers == 3 && !config.smtp.vrfy && !config.smtp.smtputf8);
    CU_ASSERT(config.smtp.help && config.smtp.pipelining);
    CU_ASSERT_EQUAL(config.limit_memory, 5ull << 30);
    CU_ASSERT(config.smtp.message_size_max == 10u << 20 && config.smtp.line_length_max == 0);
    CU_ASSERT_EQUAL(config.smtp.calls_max[RP_SMTP_VERB_NOOP], 5);
    CU_ASSERT_EQUAL(config.smtp.calls_max[RP_SMTP_VERB_DATA], 0);
    CU_ASSERT_EQUAL(config.smtp.calls_max[RP_SMTP_VERB_MAIL], 20);
    CU_ASSERT_EQUAL(config.smtp.calls_max[RP_SMTP_VERB_UNKNOWN], 20);
    CU_ASSERT(config.timeout_data_ns == 10000000000 && config.timeout_command_ns == 250000000);
    CU_ASSERT_STRING_EQUAL(config.spool_path, "/a \"b\"/c");
    CU_ASSERT(config.spool_min_free.octets == 1u << 30 && config.spool_min_free.percent == 0);
    CU_ASSERT(config.spool_sync == RP_CONFIG_SYNC_NONE);
    CU_ASSERT(config.smtp.bare_newline == RP_DOT_KEEP);
    CU_ASSERT(config.log_level == RP_CONFIG_LOG_ERROR && config.log_format == RP_CONFIG_LOG_JSON);
    CU_ASSERT_STRING_EQUAL(config.log_file, "/var/log/x");
}

/* A file, the line of its error, and what the error says behind "FILE:LINE: ". */
struct bad_row {
    const char *file;
    unsigned line;
    const char *error;
};

/* clang-format off */
static const struct bad_row bad[] = {
    {"\nhostnam = \"x\";",                     2, "hostnam: unknown key; did you mean hostname?"},
    {"spool = {\n pth = \"x\"; };",            2, "spool.pth: unknown key; did you mean spool.path?"},
    {"tls = {\n certificate = \"x\"; };",      2, "tls.certificate: unknown key; ringpostd.conf(5)"},
    {"\ntls = { };",                           2, "tls: unknown key"},
    {"plugins = ();",                          1, "plugins: unknown key"},
    {"\nspool = \"x\";",                       2, "spool: is a group; right: spool = { KEY = VALUE; };"},
    {"hostname = { a = 1; };",                 1, "hostname: a group is of another type; right: a string"},
    {"hostname = [ \"a\" ];",                  1, "hostname: an array is of another type"},
    {"hostname = ( \"a\" );",                  1, "hostname: a list is of another type"},
    {"workers = 1.5;",                         1, "workers: a number with a fraction is of another type"},
    {"smtp = { vrfy = 1; };",                  1, "smtp.vrfy: 1 is of another type; right: true or false"},
    {"limits = { errors = \"5\"; };",          1, "limits.errors: \"5\" is of another type; right: a whole number, 0 to"},
    {"limits = {\n\n memory = 10mb; };",       3, "10mb is no number; right: quotes around it, \"10mb\""},
    {"limits = { memory = 4294967296000000; };", 1, "limits.memory: 4294967296000000 is out of range; right: octets, or a size in quotes (\"10kb\", mb, gb), 16mb to 1024gb"},
    {"limits = { errors = -5; };",             1, "limits.errors: -5 is not of that form"},
    {"spool = { segment_size = \"2gb\"; };",   1, "spool.segment_size: \"2gb\" is out of range; right: octets, or a size in quotes (\"10kb\", mb, gb), 1mb to 1gb"},
    {"limits = { command_calls = 5; };",       1, "limits.command_calls: 5 is of another type; right: { VERB = NUMBER; * = NUMBER; }"},
    {"limits = { command_calls = {\n FOO = 5; }; };", 2, "limits.command_calls: FOO is no verb"},
    {"limits = { command_calls = { NOOP = 1;\n noop = 5; }; };", 2, "limits.command_calls: noop stands there twice"},
    {"limits = { command_calls = { NOOP = \"1\"; }; };", 1, "limits.command_calls: NOOP = 1 is no such number"},
    {"limits = { command_calls = { NOOP = 1000000001; }; };", 1, "limits.command_calls: NOOP = 1000000001 is no such number"},
    {"hostname = \"a\";\n\nhostname = \"b\";", 3, "duplicate setting name"},
    {"log = { level = \"info\"; };\nlog = { file = \"x\"; };", 2, "duplicate setting name"},
    {"hostname \"a\";",                        1, "syntax error; right: KEY = VALUE; or GROUP = { ... };"},
    {"spool.path = \"a\";",                    1, "syntax error"},
    {"spool = {\n\n",                          3, "syntax error"},
    {"ident = \"a\nb\";",                      1, "ident: \"a?b\" is not of that form"},
};
/* clang-format on */

static void test_bad_files(void)
{
    char error[RP_CONFIG_ERROR_MAX];
    char wanted[RP_CONFIG_ERROR_MAX];
    for (size_t i = 0; i < COUNT(bad); i++) {
        rp_config_init(&config);
        write_config(bad[i].file, strlen(bad[i].file));
        int result = rp_config_load(&config, path, error, sizeof(error));
        (void)snprintf(wanted, sizeof(wanted), "%s:%u: %s", path, bad[i].line, bad[i].error);
        if (result != -EINVAL || strncmp(error, wanted, strlen(wanted)) != 0) {
            printf("\n%s\n-> %d %s\n", bad[i].file, result, error);
            CU_FAIL("a bad file");
        }
    }
}

/* An error in an included file names that file; and it is found beside the including one. */
static void test_included(void)
{
    char error[RP_CONFIG_ERROR_MAX] = "";
    char included[80];
    (void)snprintf(included, sizeof(included), "%s/extra", work);
    write_config("\nsmtp = {\n help = 5; };", 23);
    CU_ASSERT_EQUAL_FATAL(rename(path, included), 0);
    write_config("ident = \"a\";\n@include \"extra\"\n", 30);
    CU_ASSERT_EQUAL(rp_config_load(&config, path, error, sizeof(error)), -EINVAL);
    CU_ASSERT(strncmp(error, included, strlen(included)) == 0);
    CU_ASSERT(strncmp(error + strlen(included), ":3: smtp.help: 5 is", 19) == 0);
    CU_ASSERT_EQUAL(unlink(included), 0);
    CU_ASSERT_EQUAL(rp_config_load(&config, included, error, sizeof(error)), -ENOENT);
    CU_ASSERT(strncmp(error, included, strlen(included)) == 0);
}

/* ---- the command line ---- */

struct set_row {
    const char *setting;
    const char *wanted; /* what prints in a line of the whole; NULL: refused */
    const char *error;
};

/* clang-format off */
static const struct set_row settings[] = {
    {"hostname=mx.test",                        "hostname = \"mx.test\";", NULL},
    {"hostname=\"mx.test\"",                    "hostname = \"mx.test\";", NULL},
    {"hostname = mx.test",                      "hostname = \"mx.test\";", NULL},
    {"ident=a = b",                             "ident = \"a = b\";", NULL},
    {"limits.memory=2gb",                       "    memory = \"2gb\";", NULL},
    {"limits.memory=\"2gb\"",                   "    memory = \"2gb\";", NULL},
    {"limits.memory=5000000001",                "    memory = \"5000000001\";", NULL},
    {"workers=7",                               "workers = 7;", NULL},
    {"smtp.vrfy=false",                         "    vrfy = false;", NULL},
    {"limits.command_calls={NOOP=5,\"*\"=20}",  "    command_calls = { NOOP = 5; * = 20; };", NULL},
    {"limits.command_calls={NOOP=5;*=20;}",     "    command_calls = { NOOP = 5; * = 20; };", NULL},
    {"limits.command_calls={}",                 "    command_calls = { };", NULL},
    {"limits.command_calls={*=3,MAIL=3}",       "    command_calls = { * = 3; };", NULL},
    {"spool.path=/a\\b\"c",                     "    path = \"/a\\\\b\\\"c\";", NULL},
    {"log.file=",                               "    file = \"\";", NULL},
    {"hostname",                                NULL, "--set hostname: right: --set KEY=VALUE"},
    {"=x",                                      NULL, "--set =x: right: --set KEY=VALUE"},
    {"",                                        NULL, "--set : right: --set KEY=VALUE"},
    {"hostnam=x",                               NULL, "--set hostnam: unknown key; did you mean hostname?"},
    {"spool=x",                                 NULL, "--set spool: unknown key; ringpostd.conf(5)"},
    {"hostname=a b",                            NULL, "--set hostname: a b is not of that form"},
    {"hostname=",                               NULL, "--set hostname:  is out of range; right: a string of printable ASCII without spaces, 1 to 255 octets"},
    {"hostname=\"a\"; ident=\"b\"",             NULL, "--set hostname: \"a\"; ident=\"b\" is no value"},
    {"hostname=\"a",                            NULL, "--set:1: a string begins here and has no end"},
    {"workers=\"4\"",                           "workers = 4;", NULL},
    {"limits.errors=\"4\"",                     NULL, "--set limits.errors: \"4\" is of another type"},
    {"limits.errors=[4]",                       NULL, "--set limits.errors: an array is of another type"},
    {"limits.command_calls={NOOP=5",            NULL, "--set limits.command_calls: {NOOP=5 is no value"},
    {"limits.command_calls={FOO=5}",            NULL, "--set limits.command_calls: FOO is no verb"},
    {"limits.command_calls=5",                  NULL, "--set limits.command_calls: 5 is not of that form"},
    {"ident=a\nb",                              NULL, "--set ident: a?b is not of that form"},
};
/* clang-format on */

static bool has_line(const char *all, const char *line)
{
    const char *found = strstr(all, line);
    return found != NULL && (found == all || found[-1] == '\n') && found[strlen(line)] == '\n';
}

static void test_settings(void)
{
    for (size_t i = 0; i < COUNT(settings); i++) {
        char error[RP_CONFIG_ERROR_MAX] = "";
        const struct set_row *row = &settings[i];
        rp_config_init(&config);
        int result = rp_config_set(&config, row->setting, error, sizeof(error));
        print(&config, text);
        bool is_right =
            result == 0 ? row->wanted != NULL && has_line(text, row->wanted)
                        : row->error != NULL && strncmp(error, row->error, strlen(row->error)) == 0;
        if (!is_right) {
            printf("\n%s -> %d %s\n", row->setting, result, error);
            CU_FAIL("a setting");
        }
    }
}

static void test_assign(void)
{
    char error[RP_CONFIG_ERROR_MAX] = "";
    rp_config_init(&config);
    CU_ASSERT_EQUAL(rp_config_assign(&config, "spool.path", "\"{x", error, sizeof(error)), 0);
    CU_ASSERT_STRING_EQUAL(config.spool_path, "\"{x");
    CU_ASSERT_EQUAL(rp_config_assign(&config, "spool.path", "", error, sizeof(error)), -EINVAL);
    CU_ASSERT(strncmp(error, "spool.path:  is out of range; right: a path", 43) == 0);
}

static void test_listeners(void)
{
    /* clang-format off */
    static const char *const wrong[][2] = {
        {"127.0.0.1", "-l 127.0.0.1: is no address to listen on; right: 127.0.0.1:2525"},
        {"127.0.0.1:25,tls=none", "-l 127.0.0.1:25: tls=none: unknown option; this version has none"},
        {"127.0.0.1:25,", "-l 127.0.0.1:25: : unknown option"},
        {"*:70000", "-l *:70000: has a port above 65535"},
        {"[::1]:2525", "-l [::1]:2525: was given twice"},
        {"", "-l : is no address to listen on"},
        {"a\nb:25", "-l a?b:25: is no address"},
    };
    /* clang-format on */
    char error[RP_CONFIG_ERROR_MAX] = "";
    rp_config_init(&config);
    CU_ASSERT_EQUAL(rp_config_add_listener(&config, "127.0.0.1:0", error, sizeof(error)), 0);
    CU_ASSERT_EQUAL(rp_config_add_listener(&config, "[::1]:2525", error, sizeof(error)), 0);
    CU_ASSERT_EQUAL(rp_config_add_listener(&config, "unix:/run/x", error, sizeof(error)), 0);
    CU_ASSERT_EQUAL(config.listener_count, 3);
    CU_ASSERT_STRING_EQUAL(config.listeners[0], "127.0.0.1:0");
    CU_ASSERT_STRING_EQUAL(config.listeners[2], "unix:/run/x");
    for (size_t i = 0; i < COUNT(wrong); i++) {
        CU_ASSERT_EQUAL(rp_config_add_listener(&config, wrong[i][0], error, sizeof(error)),
                        -EINVAL);
        CU_ASSERT(strncmp(error, wrong[i][1], strlen(wrong[i][1])) == 0);
        CU_ASSERT_EQUAL(config.listener_count, 3);
    }
    for (unsigned port = 1; config.listener_count < RP_CONFIG_LISTENERS_MAX; port++) {
        char address[32];
        (void)snprintf(address, sizeof(address), "127.0.0.1:%u", port);
        CU_ASSERT_EQUAL_FATAL(rp_config_add_listener(&config, address, error, sizeof(error)), 0);
    }
    CU_ASSERT_EQUAL(rp_config_add_listener(&config, "*:1", error, sizeof(error)), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "too many listeners; right: at most 64"));
}

/* ---- relations ---- */

static void check_refused(const char *const *changes, size_t count, const char *wanted)
{
    char error[RP_CONFIG_ERROR_MAX] = "";
    rp_config_init(&config);
    for (size_t i = 0; i < count; i++) {
        CU_ASSERT_EQUAL(rp_config_set(&config, changes[i], error, sizeof(error)), 0);
    }
    int result = rp_config_check(&config, error, sizeof(error));
    if (wanted == NULL ? result != 0 : result != -EINVAL || strstr(error, wanted) == NULL) {
        printf("\n%s: %d %s\n", changes[0], result, error);
        CU_FAIL("a relation");
    }
}

static void test_relations(void)
{
    static const char *const few[] = {"workers=4", "limits.memory=64mb"};
    static const char *const too_few[] = {"workers=4", "limits.memory=67108863"};
    static const char *const connections[] = {"limits.connections=3", "workers=3"};
    static const char *const no_connections[] = {"limits.connections=2", "workers=3"};
    static const char *const automatic[] = {"limits.memory=16mb", "limits.connections=1"};
    static const char *const segment[] = {"spool.segment_size=1048577"};
    static const char *const user[] = {"user=no-such-user-here"};
    static const char *const group[] = {"group=no-such-group-here"};
    static const char *const root[] = {"user=root", "group=root"};
    check_refused(few, 2, NULL);
    check_refused(too_few, 2, "limits.memory: 67108863 is too little for 4 workers; right: ");
    check_refused(connections, 2, NULL);
    check_refused(no_connections, 2, "limits.connections: 2 is less than one for each of 3");
    check_refused(automatic, 2, NULL);
    CU_ASSERT_EQUAL(rp_config_worker_count(&config), 1);
    check_refused(segment, 1, "spool.segment_size: 1048577 is no multiple of 4096");
    check_refused(user, 1, "user: there is no user \"no-such-user-here\"");
    check_refused(group, 1, "group: there is no group \"no-such-group-here\"");
    check_refused(root, 2, NULL);

    /* A greeting of 512 octets with its CRLF is the longest that RFC 5321 allows. */
    char error[RP_CONFIG_ERROR_MAX] = "";
    char name[256] = "";
    rp_config_init(&config);
    memset(name, 'h', 255);
    CU_ASSERT_EQUAL(rp_config_assign(&config, "hostname", name, error, sizeof(error)), 0);
    name[512 - 13 - 255] = '\0';
    CU_ASSERT_EQUAL(rp_config_assign(&config, "ident", name, error, sizeof(error)), 0);
    CU_ASSERT_EQUAL(rp_config_check(&config, error, sizeof(error)), 0);
    name[512 - 13 - 255] = 'h';
    name[512 - 13 - 254] = '\0';
    CU_ASSERT_EQUAL(rp_config_assign(&config, "ident", name, error, sizeof(error)), 0);
    CU_ASSERT_EQUAL(rp_config_check(&config, error, sizeof(error)), -EINVAL);
    CU_ASSERT(strncmp(error, "hostname and ident: too long", 28) == 0);
}

static void test_worker_count(void)
{
    rp_config_init(&config);
    uint32_t count = rp_config_worker_count(&config);
    CU_ASSERT(count >= 1 && count <= 64); /* 1gb has 16mb for 64 */
    config.workers = 200;
    CU_ASSERT_EQUAL(rp_config_worker_count(&config), 200);
}

/* ---- printed and read back ---- */

static void read_back(void)
{
    char error[RP_CONFIG_ERROR_MAX] = "";
    print(&config, text);
    write_config(text, strlen(text));
    rp_config_init(&other);
    if (rp_config_load(&other, path, error, sizeof(error)) != 0) {
        printf("\n%s\n%s\n", text, error);
        CU_FAIL("what was printed is refused");
    }
    memcpy(other.listeners, config.listeners, sizeof(other.listeners)); /* these are no keys */
    other.listener_count = config.listener_count;
    print(&other, other_text);
    CU_ASSERT_STRING_EQUAL(other_text, text);
}

/* A value that the key takes, from a few of its kind and random numbers. */
static void set_random(const struct rp_config_key *key, uint64_t *state)
{
    static const char *const tries[] = {"true", "keep",   "none", "json", "debug", "a \"b\" \\c",
                                        "mx.a", "/x\xc3", "7%",   "auto", "3gb",   "77min"};
    char problem[RP_CONFIG_ERROR_MAX];
    char number[32];
    for (int i = 0; i < 4; i++) {
        (void)snprintf(number, sizeof(number), "%" PRIu64,
                       suite_random(state) >> suite_random_below(state, 64));
        size_t pick = suite_random_below(state, 2 * COUNT(tries));
        const char *value = pick < COUNT(tries) ? tries[pick] : number;
        (void)rp_config_key_assign(key, &config, RP_CONFIG_GIVEN_BARE, value, problem,
                                   sizeof(problem)); /* what it refuses changes nothing */
    }
}

static void test_random_read_back(void)
{
    uint64_t state = suite_seed;
    const struct rp_config_key *key = NULL;
    for (int round = 0; round < 200; round++) {
        rp_config_init(&config);
        for (size_t i = 0; (key = rp_config_key_get(i)) != NULL; i++) {
            set_random(key, &state);
        }
        uint32_t rest = (uint32_t)suite_random_below(&state, 3);
        for (unsigned i = 0; i < RP_SMTP_VERB_COUNT; i++) {
            bool is_own = i != RP_SMTP_VERB_UNKNOWN && suite_random_below(&state, 3) == 0;
            config.smtp.calls_max[i] = is_own ? (uint32_t)suite_random_below(&state, 9) : rest;
        }
        read_back();
        CU_ASSERT(memcmp(config.smtp.calls_max, other.smtp.calls_max,
                         sizeof(config.smtp.calls_max)) == 0);
        CU_ASSERT_STRING_EQUAL(other.spool_path, config.spool_path);
        CU_ASSERT_EQUAL(other.limit_memory, config.limit_memory);
    }
}

static void test_read_back(void)
{
    char error[RP_CONFIG_ERROR_MAX] = "";
    rp_config_init(&config);
    CU_ASSERT_EQUAL(rp_config_add_listener(&config, "*:25", error, sizeof(error)), 0);
    read_back();
    CU_ASSERT(strncmp(text, "# -l *:25\n", 10) == 0);
}

/* Each cut of a good file is good or refused with its place, never worse. */
static void test_cuts(void)
{
    char error[RP_CONFIG_ERROR_MAX];
    unsigned good_count = 0;
    rp_config_init(&config);
    print(&config, text);
    size_t len = strlen(text);
    for (size_t cut = 0; cut <= len; cut++) {
        write_config(text, cut);
        rp_config_init(&other);
        int result = rp_config_load(&other, path, error, sizeof(error));
        good_count += result == 0;
        CU_ASSERT(result == 0 || (result == -EINVAL && strncmp(error, path, strlen(path)) == 0 &&
                                  error[strlen(path)] == ':'));
    }
    CU_ASSERT(good_count > 50 && good_count < len / 2);
}

/* ---- the manual and the example ---- */

static size_t read_text(const char *name, char *to)
{
    int fd = open(name, O_RDONLY);
    CU_ASSERT_FATAL(fd >= 0);
    ssize_t len = read(fd, to, TEXT_MAX - 1);
    CU_ASSERT_FATAL(len > 0 && len < (ssize_t)TEXT_MAX - 1);
    to[len] = '\0';
    (void)close(fd);
    return (size_t)len;
}

/* ".It Cm KEY Pq default Cm VALUE" is how the manual begins the entry of a key. */
static void test_manual(void)
{
    const struct rp_config_key *key = NULL;
    char line[160];
    size_t count = 0;
    (void)read_text(MANUAL, text);
    for (; (key = rp_config_key_get(count)) != NULL; count++) {
        bool is_bare = key->preset[0] == '\0';
        (void)snprintf(line, sizeof(line), "\n.It Cm %s Pq %s%s\n", key->name,
                       is_bare ? "" : "default Cm ", is_bare ? "unset" : key->preset);
        if (strcmp(key->name, "hostname") == 0) {
            (void)snprintf(line, sizeof(line), "\n.It Cm hostname Pq the machine's name\n");
        }
        if (strstr(text, line) == NULL) {
            printf("\nthe manual has no%s", line);
            CU_FAIL("the manual lacks a key, or tells another default");
        }
    }
    size_t entries = 0;
    for (const char *at = text; (at = strstr(at, "\n.It Cm ")) != NULL; at++) {
        entries += strstr(at + 1, "Pq ") != NULL && strstr(at + 1, "Pq ") < strchr(at + 1, '\n');
    }
    CU_ASSERT_EQUAL(entries, count);
}

static void test_example(void)
{
    char error[RP_CONFIG_ERROR_MAX] = "";
    rp_config_init(&config);
    int result = rp_config_load(&config, EXAMPLE, error, sizeof(error));
    result = result == 0 ? rp_config_check(&config, error, sizeof(error)) : result;
    if (result != 0) {
        printf("\n%s\n", error);
        CU_FAIL("the example is refused");
    }
    /* It shows something: an empty file would be good as well. */
    rp_config_init(&other);
    CU_ASSERT_STRING_NOT_EQUAL(config.spool_path, other.spool_path);
}

int main(int argc, char **argv)
{
    static const struct suite_test tests[] = {
        {"defaults",                          test_defaults        },
        {"machine names",                     test_machine_names   },
        {"spans",                             test_spans           },
        {"a file",                            test_file            },
        {"bad files",                         test_bad_files       },
        {"an included file",                  test_included        },
        {"settings of the command line",      test_settings        },
        {"a text for a key",                  test_assign          },
        {"listeners",                         test_listeners       },
        {"relations",                         test_relations       },
        {"number of workers",                 test_worker_count    },
        {"printed and read back",             test_read_back       },
        {"random ones printed and read back", test_random_read_back},
        {"every cut",                         test_cuts            },
        {"the manual",                        test_manual          },
        {"the example",                       test_example         },
    };
    if (mkdtemp(work) == NULL) {
        return 1;
    }
    (void)snprintf(path, sizeof(path), "%s/config", work);
    int status = SUITE_RUN("engine/config", tests, argc, argv);
    (void)unlink(path); /* a failed test may not have made it */
    return rmdir(work) == 0 ? status : 1;
}
