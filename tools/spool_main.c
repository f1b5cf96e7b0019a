/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * spool_main.c - ringpost-spool: the table of its commands, --help and --version.
 */
#include "command.h"
#include "output.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct command {
    const char *name;
    enum rp_failure_exit (*run)(const struct rp_options *options);
    size_t operand_count; /* DIR, or DIR and ID */
    unsigned options;     /* RP_OPTIONS_BITs */
    const char *usage;
    const char *summary; /* one line: also in the program's --help */
    const char *details;
};

/* clang-format off */
static const struct command commands[] = {
    {
        "ls", rp_cmd_ls, 1,
        RP_OPTIONS_BIT(FROM) | RP_OPTIONS_BIT(LIMIT) | RP_OPTIONS_BIT(JSON),
        "DIR [--from ID] [--limit N] [--json]",
        "list messages: id, time (UTC), size in octets, sender, recipients",
        "Each message is read and checked. Control characters in addresses are printed\n"
        "as \\xNN. Exit status 1 if a message is damaged; it is listed as such.\n",
    },
    {
        "cat", rp_cmd_cat, 2,
        0,
        "DIR ID",
        "write a message to stdout, byte for byte",
        "What the client sent, without its dot-stuffing. Of a damaged message nothing is\n"
        "written, and the exit status is 1.\n",
    },
    {
        "show", rp_cmd_show, 2,
        RP_OPTIONS_BIT(JSON),
        "DIR ID [--json]",
        "print the envelope of a message: all that is known but its body",
        "One item a line. An item that this version does not know is printed as tag-N and\n"
        "its octets in hexadecimal.\n",
    },
    {
        "follow", rp_cmd_follow, 1,
        RP_OPTIONS_BIT(FROM) | RP_OPTIONS_BIT(LIMIT) | RP_OPTIONS_BIT(CURSOR_FILE) |
            RP_OPTIONS_BIT(JSON),
        "DIR [--from AT] [--cursor-file F] [--limit N] [--json]",
        "print new messages as they land, like tail -f",
        "In the form of ls, until SIGINT, SIGTERM or --limit; from the end unless --from says\n"
        "else: start, end or an ID. A spool may be followed before there is a message in it.\n"
        "With --cursor-file it goes on, after a stop, where it was: nothing is lost or printed\n"
        "twice. --from then counts only where the file F is not there yet. (An ID cannot say\n"
        "where one was, since lanes have no common order: --from ID is for looking around.)\n",
    },
    {
        "verify", rp_cmd_verify, 1,
        RP_OPTIONS_BIT(JSON),
        "DIR [--json]",
        "read every message and check every checksum",
        "Prints one line for each message that is damaged, unreadable or missing, and for\n"
        "what else is wrong, then a summary. Exit status 1 if there was any. On a terminal\n"
        "it shows how far it is.\n",
    },
    {
        "stats", rp_cmd_stats, 1,
        RP_OPTIONS_BIT(JSON),
        "DIR [--json]",
        "print how much there is: messages, octets, segments, disk, oldest, newest",
        "Sizes are printed exactly, and in parentheses for people (KiB = 1024 octets).\n",
    },
    {
        "export", rp_cmd_export, 1,
        RP_OPTIONS_BIT(FORMAT) | RP_OPTIONS_BIT(TO) | RP_OPTIONS_BIT(FROM) | RP_OPTIONS_BIT(LIMIT),
        "DIR --format FORMAT --to PATH [--from ID] [--limit N]",
        "write messages as eml files, a maildir, an mbox or JSON lines",
        "eml      one file ID.eml a message in the directory PATH, byte for byte\n"
        "maildir  byte for byte; what is there from an earlier export is left out\n"
        "mbox     one file, mboxrd quoting, CRLF becomes LF\n"
        "jsonl    one object a line: envelope, and the body as body_base64\n"
        "For mbox and jsonl, PATH is replaced when all is written; - is stdout.\n"
        "A damaged message is reported and left out; the exit status is then 1.\n",
    },
};
/* clang-format on */
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static struct rp_output output; /* stdout; one thread */

static enum rp_failure_exit flush(void)
{
    return rp_failure_finish(RP_EXIT_FINE, rp_output_flush(&output));
}

static void put_option(const struct command *command, enum rp_options_name name)
{
    const struct rp_options_row *row = rp_options_row(name);
    char text[64];
    bool is_followed = command->run == rp_cmd_follow && name == RP_OPTIONS_FROM;
    (void)snprintf(text, sizeof(text), "--%s%s%s", row->name, row->value != NULL ? " " : "",
                   row->value != NULL ? row->value : "");
    rp_output_text(&output, "  %-20s%s%s\n", text, row->help,
                   is_followed ? ", or at the start or the end" : "");
}

static enum rp_failure_exit put_command_help(const struct command *command)
{
    rp_output_text(&output, "Usage: ringpost-spool %s %s\n\n%s\n\n%s", command->name,
                   command->usage, command->summary, command->details);
    rp_output_text(&output, "\nDIR is the directory that ringpostd's -s names.\n\nOptions:\n");
    for (unsigned name = 0; name < RP_OPTIONS_COUNT; name++) {
        if ((command->options & 1u << name) != 0 || name == RP_OPTIONS_HELP) {
            put_option(command, (enum rp_options_name)name);
        }
    }
    return flush();
}

static enum rp_failure_exit put_help(void)
{
    rp_output_text(&output, "Usage: ringpost-spool COMMAND DIR [...]\n\n"
                            "Looks into a spool of ringpostd, follows, verifies and exports it.\n"
                            "The daemon may be running or not; the spool is never changed.\n\n"
                            "Commands:\n");
    for (size_t index = 0; index < COMMAND_COUNT; index++) {
        rp_output_text(&output, "  %s %s\n      %s\n", commands[index].name, commands[index].usage,
                       commands[index].summary);
    }
    rp_output_text(&output,
                   "\nringpost-spool COMMAND --help   says more about a command; -h is the same\n"
                   "ringpost-spool --version        prints the version\n\n"
                   "Exit status: 0 fine, 1 failed or something is damaged, 2 wrong "
                   "usage.\n");
    return flush();
}

static const struct command *find_command(const char *name)
{
    for (size_t index = 0; index < COMMAND_COUNT; index++) {
        if (strcmp(commands[index].name, name) == 0) {
            return &commands[index];
        }
    }
    return NULL;
}

static enum rp_failure_exit run_command(const struct command *command,
                                        char *const *arguments,
                                        size_t count)
{
    char error[256];
    struct rp_options options;
    if (rp_options_parse(arguments, count, command->options | RP_OPTIONS_BIT(HELP),
                         command->operand_count, &options, error) != 0) {
        return rp_failure_usage("%s: %s; usage: ringpost-spool %s %s", command->name, error,
                                command->name, command->usage);
    }
    return options.is_help ? put_command_help(command) : command->run(&options);
}

/* A write to a closed pipe, or beyond a limit on file sizes, shall be an error that is told
 * and cleaned up after, not the end of the program. */
static void ignore_write_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_IGN};
    int error = sigaction(SIGPIPE, &action, NULL);
    assert(error == 0);
    error = sigaction(SIGXFSZ, &action, NULL);
    assert(error == 0);
}

static enum rp_failure_exit run(int argc, char *const *argv)
{
    if (argc < 2) {
        return rp_failure_usage("a command is missing; ringpost-spool --help lists them");
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        return put_help();
    }
    if (strcmp(argv[1], "--version") == 0) {
        rp_output_text(&output, "ringpost-spool %s\n", RP_VERSION);
        return flush();
    }
    const struct command *command = find_command(argv[1]);
    if (command == NULL) {
        return rp_failure_usage("%s: no such command; ringpost-spool --help lists them", argv[1]);
    }
    return run_command(command, argv + 2, (size_t)argc - 2);
}

int main(int argc, char **argv)
{
    ignore_write_signals();
    rp_output_init(&output, STDOUT_FILENO);
    return (int)run(argc, argv);
}
