/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * load_conn.c - a connection of ringpost-load.
 */
#include "load_conn.h"

#include "counter.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What a completion is of: the low octet of its tag. */
enum request {
    CONNECT,
    RECV,
    SEND,
};

#define BACKOFF_FIRST_NS UINT64_C(10000000)
#define BACKOFF_MAX_NS   UINT64_C(1000000000)
#define LATE_NS          UINT64_C(1000000)
/* A server that lets its greeting wait shall not keep others from being opened for longer. */
#define OPENING_MAX_NS   UINT64_C(250000000)

void rp_load_conn_init(struct rp_load_conn *conn,
                       uint32_t index,
                       const struct rp_load_script *script,
                       struct rp_load_message *messages)
{
    memset(conn, 0, sizeof(*conn));
    conn->fd = -1;
    conn->index = index;
    conn->state = RP_LOAD_CONN_CLOSED;
    rp_load_dialog_init(&conn->dialog, script, messages);
    rp_load_reply_init(&conn->reply);
}

static uint64_t make_tag(const struct rp_load_conn *conn, enum request request)
{
    return (uint64_t)conn->index << 8 | request;
}

/* ---- the end of a connection ---- */

static void back_off(const struct rp_load_conn *conn, struct rp_load_crew *crew)
{
    crew->backoff_ns = crew->backoff_ns == 0 ? BACKOFF_FIRST_NS : 2 * crew->backoff_ns;
    crew->backoff_ns = crew->backoff_ns < BACKOFF_MAX_NS ? crew->backoff_ns : BACKOFF_MAX_NS;
    crew->gate_ns = crew->now_ns + crew->backoff_ns;
    if (crew->failing_ns == 0) {
        crew->failing_ns = conn->opened_ns;
    }
}

static void end_opening(struct rp_load_conn *conn, struct rp_load_crew *crew)
{
    if (conn->is_opening) {
        conn->is_opening = false;
        crew->opening_count--;
    }
}

static void finish_close(struct rp_load_conn *conn, struct rp_load_crew *crew)
{
    assert(conn->pending == 0);
    if (conn->fd >= 0) {
        (void)close(conn->fd); /* a socket: nothing is lost with it */
        conn->fd = -1;
    }
    conn->state = RP_LOAD_CONN_CLOSED;
    rp_load_fifo_put(&crew->closed, conn->index);
}

static void begin_close(struct rp_load_conn *conn, struct rp_load_crew *crew)
{
    end_opening(conn, crew);
    if (conn->is_ready) {
        conn->is_ready = false;
        crew->ready_count--;
    } else {
        back_off(conn, crew); /* it never got as far as a message */
    }
    conn->state = RP_LOAD_CONN_CLOSING;
    if (conn->pending == 0) {
        finish_close(conn, crew);
        return;
    }
    (void)shutdown(conn->fd, SHUT_RDWR); /* fails where it is not connected: cancelled below */
    rp_load_ring_cancel(crew->ring, conn->fd);
}

void rp_load_conn_drop(struct rp_load_conn *conn,
                       struct rp_load_crew *crew,
                       enum rp_load_error error)
{
    if (conn->state == RP_LOAD_CONN_CLOSED || conn->state == RP_LOAD_CONN_CLOSING) {
        return;
    }
    uint32_t count = conn->dialog.count;
    uint32_t counted = count == 0 ? 1 : 0; /* an error without a message is the connection's own */
    for (uint32_t index = 0; index < count; index++) {
        const struct rp_load_message *message = rp_load_dialog_in_flight(&conn->dialog, index);
        counted += message->intended_ns >= crew->timed_ns ? 1 : 0;
        crew->ended_ns = crew->now_ns;
    }
    if (error == RP_LOAD_ERROR_CONNECT && !crew->has_been_ready) {
        crew->early_count++; /* the server may be still starting: see rp_load_worker_run */
        counted = 0;
    }
    while (error != RP_LOAD_ERROR_COUNT && counted > 0) {
        rp_load_stats_error(crew->stats, crew->now_ns, error);
        counted--;
    }
    crew->in_flight -= count;
    conn->dialog.count = 0;
    begin_close(conn, crew);
}

/* A failure that words are kept of: the sample, and why no connection can be had. */
static void fail(struct rp_load_conn *conn,
                 struct rp_load_crew *crew,
                 enum rp_load_error error,
                 const char *what,
                 const char *text)
{
    rp_load_stats_sample(crew->stats, what, text, strlen(text));
    if (!conn->is_ready) {
        (void)snprintf(crew->reason, sizeof(crew->reason), "%s: %s", what, text);
    }
    rp_load_conn_drop(conn, crew, error);
}

static const char *waiting_for(const struct rp_load_conn *conn, char *place, size_t place_len)
{
    enum rp_load_phase phase = rp_load_dialog_phase(&conn->dialog);
    bool is_connecting = conn->state == RP_LOAD_CONN_CONNECTING;
    const char *name = is_connecting                  ? "connect"
                       : phase == RP_LOAD_PHASE_COUNT ? "RSET"
                                                      : rp_load_phase_name(phase);
    if (!is_connecting && phase == RP_LOAD_PHASE_GREETING) {
        return "no greeting came";
    }
    (void)snprintf(place, place_len, "while the answer to %s was awaited", name);
    return place;
}

/* The server closed or reset the connection: its right while it owes no reply. */
static void hang_up(struct rp_load_conn *conn, struct rp_load_crew *crew)
{
    char text[64];
    if (!rp_load_dialog_is_waiting(&conn->dialog) || conn->dialog.step == RP_LOAD_STEP_QUIT) {
        rp_load_conn_drop(conn, crew, RP_LOAD_ERROR_COUNT);
    } else {
        fail(conn, crew, RP_LOAD_ERROR_CLOSED, "closed", waiting_for(conn, text, sizeof(text)));
    }
}

/* ---- the beginning ---- */

static int make_socket(const struct rp_load_conn *conn, const struct rp_load_crew *crew)
{
    const int is_on = 1;
    int family = crew->target->address.ss_family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    bool has_failed = false;
    if (family != AF_UNIX) {
        has_failed = setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &is_on, sizeof(is_on)) != 0;
    }
    if (!has_failed && crew->sources > 0) {
        /* The port is chosen at connect(2), so that it may be in use towards other targets. */
        struct sockaddr_storage source;
        rp_load_target_source(crew->first_index + conn->index, crew->sources, &source);
        has_failed =
            setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &is_on, sizeof(is_on)) != 0 ||
            bind(fd, (const struct sockaddr *)&source, sizeof(struct sockaddr_in)) != 0;
    }
    if (has_failed) {
        int err = -errno;
        (void)close(fd); /* it was never used */
        return err;
    }
    return fd;
}

void rp_load_conn_open(struct rp_load_conn *conn, struct rp_load_crew *crew)
{
    assert(conn->state == RP_LOAD_CONN_CLOSED && conn->pending == 0);
    rp_load_dialog_init(&conn->dialog, crew->script, conn->dialog.messages);
    rp_load_reply_init(&conn->reply);
    conn->is_sending = false;
    conn->is_deaf = false;
    conn->state = RP_LOAD_CONN_CONNECTING;
    conn->opened_ns = crew->now_ns;
    conn->active_ns = crew->now_ns;
    conn->is_opening = true;
    crew->opening_count++;
    conn->fd = make_socket(conn, crew);
    if (conn->fd < 0) {
        fail(conn, crew, RP_LOAD_ERROR_CONNECT, "socket", strerror(-conn->fd));
        return;
    }
    rp_load_dialog_connected(&conn->dialog, crew->now_ns); /* from here on connect is timed */
    rp_load_ring_connect(crew->ring, make_tag(conn, CONNECT), conn->fd,
                         (const struct sockaddr *)&crew->target->address,
                         crew->target->address_len);
    conn->pending++;
}

static void request_recv(struct rp_load_conn *conn, struct rp_load_crew *crew)
{
    rp_load_ring_recv(crew->ring, make_tag(conn, RECV), conn->fd);
    conn->pending++;
}

static void complete_connect(struct rp_load_conn *conn, struct rp_load_crew *crew, int32_t res)
{
    if (res < 0) {
        fail(conn, crew, RP_LOAD_ERROR_CONNECT, "connect", strerror(-res));
        return;
    }
    rp_load_stats_latency(crew->stats, RP_LOAD_PHASE_CONNECT, crew->now_ns - conn->dialog.sent_ns);
    rp_load_dialog_connected(&conn->dialog, crew->now_ns);
    conn->state = RP_LOAD_CONN_OPEN;
    request_recv(conn, crew);
}

/* ---- sending ---- */

static void request_send(struct rp_load_conn *conn, struct rp_load_crew *crew)
{
    rp_load_ring_send(crew->ring, make_tag(conn, SEND), conn->fd, &conn->header);
    conn->is_sending = true;
    conn->pending++;
}

/* Take `len` octets off the front of what is to be sent; false: nothing is left. */
static bool skip_sent(struct msghdr *header, size_t len)
{
    while (header->msg_iovlen > 0 && len >= header->msg_iov->iov_len) {
        len -= header->msg_iov->iov_len;
        header->msg_iov++;
        header->msg_iovlen--;
    }
    if (header->msg_iovlen == 0) {
        return false;
    }
    header->msg_iov->iov_base = (char *)header->msg_iov->iov_base + len;
    header->msg_iov->iov_len -= len;
    return true;
}

/* A place of a message is filled, and it goes on its way. False: none is due. */
static bool begin_message(struct rp_load_conn *conn, struct rp_load_crew *crew)
{
    uint64_t number = 0;
    uint64_t intended_ns = 0;
    enum rp_load_pace_step step =
        rp_load_pace_take(crew->pace, crew->now_ns, &number, &intended_ns);
    crew->is_dry = crew->is_dry || step == RP_LOAD_PACE_NONE;
    if (step != RP_LOAD_PACE_DUE) {
        return false;
    }
    struct rp_load_message *message = rp_load_dialog_place(&conn->dialog);
    message->number = number;
    message->intended_ns = intended_ns;
    rp_load_mail_next(crew->mail, &crew->random, number, &message->mail);
    rp_load_dialog_begin(&conn->dialog, crew->now_ns);
    crew->in_flight++;
    if (message->intended_ns >= crew->timed_ns) {
        rp_counter_add(&crew->stats->started, 1);
        rp_counter_add(&crew->stats->late, crew->now_ns - message->intended_ns >= LATE_NS ? 1 : 0);
    }
    return true;
}

static void begin_messages(struct rp_load_conn *conn, struct rp_load_crew *crew)
{
    struct rp_load_dialog *dialog = &conn->dialog;
    while (!crew->is_stopping && !crew->is_dry && rp_load_dialog_has_room(dialog) &&
           begin_message(conn, crew)) {
    }
    if (dialog->step != RP_LOAD_STEP_READY || dialog->count > 0) {
        return;
    }
    if (crew->is_stopping || rp_load_dialog_is_spent(dialog)) {
        rp_load_dialog_quit(dialog, crew->now_ns);
    } else if (!conn->is_listed) {
        conn->is_listed = true;
        rp_load_fifo_put(&crew->idle, conn->index);
    }
}

void rp_load_conn_pump(struct rp_load_conn *conn, struct rp_load_crew *crew)
{
    if (conn->state != RP_LOAD_CONN_OPEN || conn->is_sending || conn->is_deaf) {
        return;
    }
    begin_messages(conn, crew);
    uint32_t count = rp_load_dialog_take(&conn->dialog, conn->iov);
    if (count == 0) {
        return;
    }
    conn->header = (struct msghdr){.msg_iov = conn->iov, .msg_iovlen = count};
    conn->active_ns = crew->now_ns;
    request_send(conn, crew);
}

static void complete_send(struct rp_load_conn *conn, struct rp_load_crew *crew, int32_t res)
{
    conn->is_sending = false;
    if (res < 0) {
        /* It may have said why before it closed: the receive ends with that. */
        conn->is_deaf = true;
        return;
    }
    conn->active_ns = crew->now_ns;
    if (skip_sent(&conn->header, (size_t)res)) {
        request_send(conn, crew);
        return;
    }
    rp_load_conn_pump(conn, crew);
}

/* ---- replies ---- */

static void end_message(struct rp_load_crew *crew, const struct rp_load_outcome *outcome)
{
    const struct rp_load_message *message = outcome->ended;
    bool is_counted = message->intended_ns >= crew->timed_ns;
    crew->in_flight--;
    crew->ended_ns = crew->now_ns;
    if (is_counted && !outcome->is_accepted) {
        rp_load_stats_refused(crew->stats, crew->now_ns);
    } else if (is_counted) {
        rp_load_stats_accepted(crew->stats, crew->now_ns, crew->now_ns - message->intended_ns,
                               message->mail.body_len);
    }
    if (!outcome->is_accepted) {
        return;
    }
    /* Also of a warm-up: in the spool it must be. */
    if (crew->acks != NULL && rp_load_acks_add(crew->acks, message->number) != 0) {
        crew->is_fatal = true;
        (void)snprintf(crew->reason, sizeof(crew->reason),
                       "out of memory for the numbers that --verify needs");
    }
}

/* What a server says about AUTH may repeat what it was sent: only its codes are kept. */
static size_t tellable_len(enum rp_load_phase phase, struct rp_span whole)
{
    size_t len = 0;
    if (phase != RP_LOAD_PHASE_AUTH) {
        return whole.len;
    }
    while (len < whole.len && len < strlen("535 5.7.8") &&
           ((whole.ptr[len] >= '0' && whole.ptr[len] <= '9') || whole.ptr[len] == ' ' ||
            whole.ptr[len] == '.')) {
        len++;
    }
    return len;
}

static void count_reply(struct rp_load_conn *conn,
                        struct rp_load_crew *crew,
                        const struct rp_load_outcome *outcome,
                        const struct rp_load_reply_line *line)
{
    struct rp_load_stats *stats = crew->stats;
    if (outcome->phase == RP_LOAD_PHASE_COUNT ||
        (outcome->intended_ns != 0 && outcome->intended_ns < crew->timed_ns)) {
        return;
    }
    rp_load_stats_reply(stats, outcome->phase, line->code);
    if (outcome->sent_ns != 0) {
        rp_load_stats_latency(stats, outcome->phase, crew->now_ns - outcome->sent_ns);
    }
    if (outcome->is_recipient_refused) {
        rp_counter_add(&stats->recipients_refused, 1);
    }
    if (outcome->is_refusal) {
        const char *name = rp_load_phase_name(outcome->phase);
        size_t len = tellable_len(outcome->phase, line->whole);
        rp_load_stats_sample(stats, name, (const char *)line->whole.ptr, len);
        if (!conn->is_ready) {
            (void)snprintf(crew->reason, sizeof(crew->reason), "%s: %.*s", name, (int)len,
                           (const char *)line->whole.ptr);
        }
    } else if (outcome->phase == RP_LOAD_PHASE_GREETING) {
        end_opening(conn, crew);
        rp_counter_add(&stats->connections, 1);
    }
}

/* `phase`: of the command that it should have answered. */
static void break_off(struct rp_load_conn *conn,
                      struct rp_load_crew *crew,
                      enum rp_load_phase phase,
                      struct rp_span whole)
{
    char what[64];
    char text[RP_LOAD_SAMPLE_LEN + 1];
    bool is_secret = phase == RP_LOAD_PHASE_AUTH;
    size_t len = is_secret ? tellable_len(phase, whole) : whole.len;
    if (phase == RP_LOAD_PHASE_GREETING) {
        (void)snprintf(what, sizeof(what), "no greeting");
    } else {
        (void)snprintf(what, sizeof(what), "no reply to %s",
                       phase == RP_LOAD_PHASE_COUNT ? "anything" : rp_load_phase_name(phase));
    }
    (void)snprintf(text, sizeof(text), "%.*s%s", (int)len, (const char *)whole.ptr,
                   is_secret ? " (the text is left out: it may have the password)" : "");
    fail(conn, crew, RP_LOAD_ERROR_PROTOCOL, what, text);
}

static void become_ready(struct rp_load_conn *conn, struct rp_load_crew *crew)
{
    conn->is_ready = true;
    crew->ready_count++;
    crew->has_been_ready = true;
    crew->backoff_ns = 0;
    crew->failing_ns = 0;
}

static void note_lack(struct rp_load_crew *crew, const char *what)
{
    bool is_auth = strncmp(what, "AUTH", 4) == 0;
    crew->is_fatal = true;
    (void)snprintf(crew->reason, sizeof(crew->reason), "the server does not offer %s%s", what,
                   is_auth ? "" : "; use --plain, or --force to send it nevertheless");
}

static void answer(struct rp_load_conn *conn,
                   struct rp_load_crew *crew,
                   const struct rp_load_reply_line *line,
                   bool is_last)
{
    struct rp_load_outcome outcome;
    enum rp_load_phase phase = rp_load_dialog_phase(&conn->dialog);
    rp_load_dialog_line(&conn->dialog, line, is_last, crew->now_ns, &outcome);
    if (!is_last) {
        return; /* not active: lines without an end are no reply */
    }
    conn->active_ns = crew->now_ns;
    if (outcome.kind != RP_LOAD_OUTCOME_BROKEN) {
        count_reply(conn, crew, &outcome, line);
    }
    if (outcome.ended != NULL) {
        end_message(crew, &outcome);
    }
    switch (outcome.kind) {
    case RP_LOAD_OUTCOME_GOING: break;
    case RP_LOAD_OUTCOME_READY: become_ready(conn, crew); break;
    case RP_LOAD_OUTCOME_LACKING: note_lack(crew, outcome.lacks); break;
    case RP_LOAD_OUTCOME_BARRED:
        rp_counter_add(&crew->stats->connections_refused, 1);
        rp_load_conn_drop(conn, crew, RP_LOAD_ERROR_COUNT);
        break;
    case RP_LOAD_OUTCOME_OVER:
        rp_load_conn_drop(conn, crew,
                          conn->dialog.count > 0 ? RP_LOAD_ERROR_CLOSED : RP_LOAD_ERROR_COUNT);
        break;
    case RP_LOAD_OUTCOME_BROKEN: break_off(conn, crew, phase, line->whole); break;
    }
}

static void feed(struct rp_load_conn *conn, struct rp_load_crew *crew, struct rp_span data)
{
    struct rp_load_reply_line line;
    while (conn->state == RP_LOAD_CONN_OPEN) {
        enum rp_load_reply_step step = rp_load_reply_next(&conn->reply, &data, &line);
        if (step == RP_LOAD_REPLY_MORE) {
            break;
        }
        if (step == RP_LOAD_REPLY_BAD) {
            break_off(conn, crew, rp_load_dialog_phase(&conn->dialog), line.whole);
            break;
        }
        answer(conn, crew, &line, step == RP_LOAD_REPLY_LAST);
    }
    rp_load_conn_pump(conn, crew);
}

static void complete_recv(struct rp_load_conn *conn,
                          struct rp_load_crew *crew,
                          const struct rp_load_completion *completion)
{
    if (conn->state != RP_LOAD_CONN_OPEN) {
        return;
    }
    if (completion->res > 0) {
        feed(conn, crew, completion->data);
    } else if (completion->res != -ENOBUFS && completion->res != -EINTR) {
        hang_up(conn, crew); /* 0: it closed; else it was reset, mostly */
        return;
    }
    /* Buffers ran out (they come back with the batch), or the kernel wants to be asked anew. */
    if (!completion->has_more && conn->state == RP_LOAD_CONN_OPEN) {
        request_recv(conn, crew);
    }
}

void rp_load_conn_complete(struct rp_load_conn *conn,
                           struct rp_load_crew *crew,
                           const struct rp_load_completion *completion)
{
    enum request request = (enum request)(completion->tag & 0xff);
    if (!completion->has_more) {
        assert(conn->pending > 0);
        conn->pending--;
    }
    if (conn->state == RP_LOAD_CONN_CLOSING) {
        if (conn->pending == 0) {
            finish_close(conn, crew);
        }
        return;
    }
    switch (request) {
    case CONNECT: complete_connect(conn, crew, completion->res); break;
    case RECV: complete_recv(conn, crew, completion); break;
    case SEND: complete_send(conn, crew, completion->res); break;
    }
}

void rp_load_conn_check(struct rp_load_conn *conn, struct rp_load_crew *crew)
{
    uint64_t quiet_ns = crew->now_ns - conn->active_ns;
    if (conn->state != RP_LOAD_CONN_OPEN && conn->state != RP_LOAD_CONN_CONNECTING) {
        return;
    }
    if (quiet_ns > OPENING_MAX_NS) {
        end_opening(conn, crew);
    }
    bool is_waiting = conn->state == RP_LOAD_CONN_CONNECTING || conn->is_sending ||
                      rp_load_dialog_is_waiting(&conn->dialog);
    if (is_waiting && quiet_ns > crew->timeout_ns) {
        char text[64];
        fail(conn, crew, RP_LOAD_ERROR_TIMEOUT, "timeout", waiting_for(conn, text, sizeof(text)));
    }
}

void rp_load_conn_tell(const struct rp_load_conn *conn, struct rp_load_crew *crew)
{
    char place[64];
    bool is_up = conn->state == RP_LOAD_CONN_OPEN || conn->state == RP_LOAD_CONN_CONNECTING;
    if (is_up && !conn->is_ready && crew->now_ns - conn->opened_ns > OPENING_MAX_NS) {
        const char *text = waiting_for(conn, place, sizeof(place));
        rp_load_stats_sample(crew->stats, "at the end", text, strlen(text));
    }
}
