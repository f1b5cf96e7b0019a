/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_page.c - writes what the reports make of a run that never was: for test_load_html.py.
 *
 *     load_page CASE html|json|text PATH     the cases of load_case.h; text goes to stdout
 */
#include "load_case.h"

int main(int argc, char **argv)
{
    static struct load_case run;
    if (argc != 4) {
        (void)fprintf(stderr, "usage: load_page CASE html|json|text PATH\n");
        return RP_EXIT_USAGE;
    }
    load_case_open(&run, argv[1]);
    enum rp_failure_exit outcome = RP_EXIT_FINE;
    if (strcmp(argv[2], "html") == 0) {
        outcome = rp_load_html_write(&run.report, argv[3]);
    } else if (strcmp(argv[2], "json") == 0) {
        outcome = rp_load_json_write(&run.report, argv[3]);
    } else {
        outcome = rp_load_summary_print(&run.report);
    }
    load_case_close(&run);
    return (int)outcome;
}
