/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * plot.c - a plot with two axes as an SVG element.
 */
#include "plot.h"

#include "markup.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#define LEGEND_BEGIN      (RP_PLOT_RIGHT - 460)
#define LEGEND_LINE_LEN   18
#define LEGEND_GAP        16
#define CHARACTER_LEN     7 /* of the texts' font, about */
#define LINEAR_STEPS      5
#define LOG_DECADES_DENSE 2.5 /* up to so many there are ticks at 1, 2 and 5 */

/* The largest of 1, 2, 5 times a power of ten that is not above the value. */
static double round_down(double value)
{
    double power = pow(10, floor(log10(value) + 1e-9));
    double digits = value / power * (1 + 1e-9);
    double digit = digits >= 2 ? 2 : 1;
    return (digits >= 5 ? 5 : digit) * power;
}

static double round_up(double value)
{
    double down = round_down(value);
    return down * (1 + 1e-9) >= value ? down : round_down(down * 2.6);
}

void rp_plot_fit(struct rp_plot_axis *axis, double low, double high)
{
    assert(axis->scale != RP_PLOT_TAIL);
    if (axis->scale == RP_PLOT_LINEAR) {
        high = high > 0 ? high * 1.04 : 1; /* the highest is to be seen below the frame */
        double step = round_up(high / LINEAR_STEPS);
        axis->low = 0;
        axis->high = ceil(high / step - 1e-9) * step;
        return;
    }
    assert(low > 0);
    axis->low = round_down(low);
    axis->high = round_up(high > low ? high : low);
    if (axis->high < axis->low * 9.99) {
        axis->high = axis->low * 10; /* less than a decade would have hardly a tick */
    }
}

static double place(const struct rp_plot_axis *axis, double value)
{
    switch (axis->scale) {
    case RP_PLOT_LINEAR: break;
    case RP_PLOT_LOG: return log10(value > axis->low ? value : axis->low);
    case RP_PLOT_TAIL: return -log10(1 - (value < axis->high ? value : axis->high));
    }
    return value;
}

/* 0 at the low end, 1 at the high one. */
static double part(const struct rp_plot_axis *axis, double value)
{
    double low = place(axis, axis->low);
    double high = place(axis, axis->high);
    double at = (place(axis, value) - low) / (high - low);
    at = at > 0 ? at : 0;
    return at < 1 ? at : 1;
}

static int top_of(const struct rp_plot *plot)
{
    return RP_PLOT_TOP + (int)plot->mark_rows * RP_PLOT_ROW_LEN;
}

double rp_plot_x(const struct rp_plot *plot, double value)
{
    return RP_PLOT_LEFT + part(&plot->x, value) * (RP_PLOT_RIGHT - RP_PLOT_LEFT);
}

double rp_plot_y(const struct rp_plot *plot, double value)
{
    return RP_PLOT_BOTTOM - part(&plot->y, value) * (RP_PLOT_BOTTOM - top_of(plot));
}

static size_t linear_ticks(const struct rp_plot_axis *axis, double ticks_out[RP_PLOT_TICKS])
{
    size_t count = 0;
    double step = round_up((axis->high - axis->low) / (LINEAR_STEPS + 1));
    double first = ceil(axis->low / step - 1e-9);
    while (count < RP_PLOT_TICKS && (first + (double)count) * step <= axis->high + step * 1e-6) {
        ticks_out[count] = (first + (double)count) * step;
        count++;
    }
    return count;
}

static size_t log_ticks(const struct rp_plot_axis *axis, double ticks_out[RP_PLOT_TICKS])
{
    static const double digits[] = {1, 2, 5};
    double decades = log10(axis->high / axis->low);
    bool is_dense = decades <= LOG_DECADES_DENSE;
    /* Every so many decades, so that the texts have room. */
    double stride = ceil(decades / (double)(RP_PLOT_TICKS - 2));
    double decade = floor(log10(axis->low) + 1e-9);
    size_t count = 0;
    for (; pow(10, decade) <= axis->high * (1 + 1e-9); decade += stride) {
        for (size_t index = 0; index < (is_dense ? 3 : 1); index++) {
            double value = digits[index] * pow(10, decade);
            bool is_in = value >= axis->low * (1 - 1e-9) && value <= axis->high * (1 + 1e-9);
            if (is_in && count < RP_PLOT_TICKS) {
                ticks_out[count++] = value;
            }
        }
    }
    return count;
}

static size_t tail_ticks(const struct rp_plot_axis *axis, double ticks_out[RP_PLOT_TICKS])
{
    size_t count = 0;
    ticks_out[count++] = 0;
    if (axis->high > 0.5) {
        ticks_out[count++] = 0.5;
    }
    for (double rest = 0.1; count < RP_PLOT_TICKS && 1 - rest <= axis->high + rest * 1e-6;
         rest /= 10) {
        ticks_out[count++] = 1 - rest;
    }
    return count;
}

size_t rp_plot_ticks(const struct rp_plot_axis *axis, double ticks_out[RP_PLOT_TICKS])
{
    assert(axis->low < axis->high);
    switch (axis->scale) {
    case RP_PLOT_LINEAR: break;
    case RP_PLOT_LOG: return log_ticks(axis, ticks_out);
    case RP_PLOT_TAIL: return tail_ticks(axis, ticks_out);
    }
    return linear_ticks(axis, ticks_out);
}

static void put_line(const struct rp_plot *plot,
                     const char *class_name,
                     const struct rp_plot_point *from,
                     const struct rp_plot_point *to)
{
    rp_output_text(plot->output,
                   "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
                   class_name, from->x, from->y, to->x, to->y);
}

static void put_label(const struct rp_plot *plot,
                      const char *class_name,
                      const struct rp_plot_point *at,
                      const char *text)
{
    rp_output_text(plot->output, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", class_name, at->x,
                   at->y);
    rp_markup_text(plot->output, text);
    rp_output_text(plot->output, "</text>\n");
}

static void put_x_axis(const struct rp_plot *plot)
{
    double ticks[RP_PLOT_TICKS];
    char text[RP_PLOT_TEXT_LEN + 1];
    size_t count = rp_plot_ticks(&plot->x, ticks);
    for (size_t index = 0; index < count; index++) {
        double x = rp_plot_x(plot, ticks[index]);
        plot->x.write_tick(ticks[index], text);
        put_line(plot, "grid", &(struct rp_plot_point){x, top_of(plot)},
                 &(struct rp_plot_point){x, RP_PLOT_BOTTOM});
        put_label(plot, "tick middle", &(struct rp_plot_point){x, RP_PLOT_BOTTOM + 16}, text);
    }
    double middle = (RP_PLOT_LEFT + RP_PLOT_RIGHT) / 2.0;
    put_label(plot, "label middle", &(struct rp_plot_point){middle, RP_PLOT_HEIGHT - 8},
              plot->x.label);
}

static void put_y_axis(const struct rp_plot *plot)
{
    double ticks[RP_PLOT_TICKS];
    char text[RP_PLOT_TEXT_LEN + 1];
    size_t count = rp_plot_ticks(&plot->y, ticks);
    for (size_t index = 0; index < count; index++) {
        double y = rp_plot_y(plot, ticks[index]);
        plot->y.write_tick(ticks[index], text);
        put_line(plot, "grid", &(struct rp_plot_point){RP_PLOT_LEFT, y},
                 &(struct rp_plot_point){RP_PLOT_RIGHT, y});
        put_label(plot, "tick end", &(struct rp_plot_point){RP_PLOT_LEFT - 8, y + 4}, text);
    }
    put_label(plot, "label", &(struct rp_plot_point){8, 16}, plot->y.label);
}

void rp_plot_open(struct rp_plot *plot)
{
    plot->legend_at = LEGEND_BEGIN;
    rp_output_text(plot->output, "<svg id=\"%s\" class=\"plot\" viewBox=\"0 0 %d %d\" role=\"img\"",
                   plot->id, RP_PLOT_WIDTH, RP_PLOT_HEIGHT);
    rp_output_text(plot->output, " aria-label=\"");
    rp_markup_text(plot->output, plot->description);
    rp_output_text(plot->output, "\">\n");
    put_x_axis(plot);
    put_y_axis(plot);
}

void rp_plot_close(struct rp_plot *plot)
{
    rp_output_text(plot->output, "<rect class=\"frame\" x=\"%d\" y=\"%d\" width=\"%d\" ",
                   RP_PLOT_LEFT, top_of(plot), RP_PLOT_RIGHT - RP_PLOT_LEFT);
    rp_output_text(plot->output, "height=\"%d\"/>\n</svg>\n", RP_PLOT_BOTTOM - top_of(plot));
}

/* The pieces of a path. In a filled one, each unbroken stretch is closed along the x axis. */
static void put_path(const struct rp_plot *plot,
                     const struct rp_plot_point *points,
                     size_t count,
                     enum rp_plot_form form,
                     bool is_filled)
{
    bool is_drawing = false;
    for (size_t index = 0; index < count; index++) {
        double x = rp_plot_x(plot, points[index].x);
        bool is_last = form == RP_PLOT_STEPPED && index + 1 == count;
        bool has_value = points[index].y >= 0 && !is_last;
        if (is_drawing && form == RP_PLOT_STEPPED) {
            rp_output_text(plot->output, "H%.1f", x);
        }
        if (has_value) {
            double y = rp_plot_y(plot, points[index].y);
            if (is_filled && !is_drawing) {
                rp_output_text(plot->output, "M%.1f %dV%.1f", x, RP_PLOT_BOTTOM, y);
            } else if (form == RP_PLOT_STEPPED && is_drawing) {
                rp_output_text(plot->output, "V%.1f", y);
            } else {
                rp_output_text(plot->output, "%c%.1f %.1f", is_drawing ? 'L' : 'M', x, y);
            }
        } else if (is_filled && is_drawing) {
            rp_output_text(plot->output, "V%dZ", RP_PLOT_BOTTOM);
        }
        is_drawing = has_value;
    }
}

void rp_plot_curve(struct rp_plot *plot,
                   const char *class_name,
                   const struct rp_plot_point *points,
                   size_t count,
                   enum rp_plot_form form)
{
    rp_output_text(plot->output, "<path class=\"curve %s\" d=\"", class_name);
    put_path(plot, points, count, form, false);
    rp_output_text(plot->output, "\"/>\n");
}

void rp_plot_area(struct rp_plot *plot,
                  const char *class_name,
                  const struct rp_plot_point *points,
                  size_t count)
{
    rp_output_text(plot->output, "<path class=\"area %s\" d=\"", class_name);
    put_path(plot, points, count, RP_PLOT_STEPPED, true);
    rp_output_text(plot->output, "\"/>\n");
}

static void put_box(const struct rp_plot *plot, double left, double right, double top)
{
    rp_output_text(plot->output, "x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"", left, top,
                   right - left, RP_PLOT_BOTTOM - top);
}

void rp_plot_bar(struct rp_plot *plot,
                 const char *class_name,
                 double x_low,
                 double x_high,
                 double y)
{
    rp_output_text(plot->output, "<rect class=\"bar %s\" ", class_name);
    put_box(plot, rp_plot_x(plot, x_low), rp_plot_x(plot, x_high), rp_plot_y(plot, y));
    rp_output_text(plot->output, "/>\n");
}

void rp_plot_mark(struct rp_plot *plot, double x, unsigned row, const char *text)
{
    assert(row < plot->mark_rows);
    double at = rp_plot_x(plot, x);
    double base = RP_PLOT_TOP + (row + 1) * RP_PLOT_ROW_LEN - 5;
    bool is_right = at + (double)strlen(text) * CHARACTER_LEN > RP_PLOT_RIGHT;
    put_line(plot, "mark", &(struct rp_plot_point){at, base - 8},
             &(struct rp_plot_point){at, RP_PLOT_BOTTOM});
    put_label(plot, is_right ? "tick end" : "tick",
              &(struct rp_plot_point){is_right ? at - 5 : at + 5, base}, text);
}

void rp_plot_level(struct rp_plot *plot, const char *class_name, double y)
{
    double at = rp_plot_y(plot, y);
    rp_output_text(plot->output, "<path class=\"curve %s\" d=\"M%d %.1fH%d\"/>\n", class_name,
                   RP_PLOT_LEFT, at, RP_PLOT_RIGHT);
}

void rp_plot_tip(struct rp_plot *plot, double x_low, double x_high, const char *text)
{
    rp_output_text(plot->output, "<rect class=\"tip\" ");
    put_box(plot, rp_plot_x(plot, x_low), rp_plot_x(plot, x_high), top_of(plot));
    rp_output_text(plot->output, "><title>");
    rp_markup_text(plot->output, text);
    rp_output_text(plot->output, "</title></rect>\n");
}

void rp_plot_legend(struct rp_plot *plot, const char *class_name, const char *name)
{
    double from = plot->legend_at;
    rp_output_text(plot->output, "<path class=\"curve %s\" d=\"M%.1f 12h%d\"/>\n", class_name, from,
                   LEGEND_LINE_LEN);
    put_label(plot, "tick", &(struct rp_plot_point){from + LEGEND_LINE_LEN + 6, 16}, name);
    plot->legend_at +=
        (unsigned)(LEGEND_LINE_LEN + 6 + LEGEND_GAP + (int)strlen(name) * CHARACTER_LEN);
}
