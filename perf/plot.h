/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * plot.h - a plot with two axes as an SVG element inside a page.
 *
 *     struct rp_plot plot = {.output = &output, .x = {...}, .y = {...}, .description = "..."};
 *     rp_plot_open(&plot);
 *     rp_plot_curve(&plot, "mean", points, count, RP_PLOT_STEPPED);
 *     rp_plot_close(&plot);
 *
 * Made here, without a library of scripts: the page is to open anywhere, from the attachment of a
 * mail too. Colours are the page's: elements carry classes only (grid, tick, label, area, and what
 * the caller names). Pure but for what goes to the output. Texts are escaped here.
 */
#ifndef PERF_PLOT_H
#define PERF_PLOT_H

#include "tools/output.h"

#include <stddef.h>

/* Of the whole element and of the frame in it, in its own units: pixels when shown 1:1. */
#define RP_PLOT_WIDTH    960
#define RP_PLOT_HEIGHT   300
#define RP_PLOT_LEFT     84
#define RP_PLOT_RIGHT    920 /* half of a tick's text stands beyond */
#define RP_PLOT_BOTTOM   250
#define RP_PLOT_TOP      34 /* above it: the label of the y axis, and the legend */
#define RP_PLOT_ROW_LEN  15 /* of rp_plot_mark's labels, which move the top down */

#define RP_PLOT_TEXT_LEN 31u
#define RP_PLOT_TICKS    16u

enum rp_plot_scale {
    RP_PLOT_LINEAR,
    RP_PLOT_LOG,  /* low must be above 0 */
    RP_PLOT_TAIL, /* a share of 0 to below 1, by log(1 / (1 - share)): 0.9, 0.99, 0.999 are even */
};

struct rp_plot_axis {
    enum rp_plot_scale scale;
    double low; /* below high */
    double high;
    const char *label;
    void (*write_tick)(double value, char text_out[RP_PLOT_TEXT_LEN + 1]);
};

struct rp_plot_point {
    double x;
    double y; /* below 0: nothing here, the curve is broken */
};

enum rp_plot_form {
    RP_PLOT_STRAIGHT, /* from point to point */
    RP_PLOT_STEPPED,  /* level until the next point's x: the last point only ends the one before */
};

struct rp_plot {
    struct rp_output *output;
    const char *id;          /* of the element */
    const char *description; /* for those who do not see it */
    struct rp_plot_axis x;
    struct rp_plot_axis y;
    unsigned mark_rows; /* rows of labels above the frame */
    unsigned legend_at; /* private: where the next name of the legend begins */
};

/* From a range of values to an axis that has ticks at both ends: for linear ones low becomes 0. */
void rp_plot_fit(struct rp_plot_axis *axis, double low, double high);

/* Values of an axis that get a grid line and a text, ascending; their number. */
size_t rp_plot_ticks(const struct rp_plot_axis *axis, double ticks_out[RP_PLOT_TICKS]);

/* Where a value lies in the element; values outside the axis lie on the frame. */
double rp_plot_x(const struct rp_plot *plot, double value);
double rp_plot_y(const struct rp_plot *plot, double value);

void rp_plot_open(struct rp_plot *plot);
void rp_plot_close(struct rp_plot *plot);

void rp_plot_curve(struct rp_plot *plot,
                   const char *class_name,
                   const struct rp_plot_point *points,
                   size_t count,
                   enum rp_plot_form form);

/* As a stepped curve, filled down to the x axis. */
void rp_plot_area(struct rp_plot *plot,
                  const char *class_name,
                  const struct rp_plot_point *points,
                  size_t count);

void rp_plot_bar(struct rp_plot *plot,
                 const char *class_name,
                 double x_low,
                 double x_high,
                 double y);

/* A line up from the x axis, its text in a row of its own above the frame. */
void rp_plot_mark(struct rp_plot *plot, double x, unsigned row, const char *text);

/* A level line across. */
void rp_plot_level(struct rp_plot *plot, const char *class_name, double y);

/* A tooltip for all of a range, top to bottom. */
void rp_plot_tip(struct rp_plot *plot, double x_low, double x_high, const char *text);

/* One name after another above the frame, each with a piece of its curve. */
void rp_plot_legend(struct rp_plot *plot, const char *class_name, const char *name);

#endif
