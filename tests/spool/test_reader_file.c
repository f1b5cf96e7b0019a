/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_reader_file.c - files that are not what they should be: links, directories, FIFOs, short and
 * sparse ones, and such as the disk cannot read.
 */
#include "spool.h"
#include "unreadable.h"

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>

static char path[64];
static int dir_fd;

static void begin(void)
{
    (void)snprintf(path, sizeof path, "%s/rp-file-XXXXXX", test_base());
    test_must(mkdtemp(path) != NULL, "mkdtemp");
    dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    test_must(dir_fd >= 0, path);
}

static void end(void)
{
    (void)close(dir_fd);
    test_remove_tree(path);
}

static void test_open(void)
{
    begin();
    int fd = -1;
    uint64_t len = 0;
    test_write_file(dir_fd, "file", "12345", 5);
    test_must(mkdirat(dir_fd, "dir", 0700) == 0, "mkdir");
    test_must(mkfifoat(dir_fd, "fifo", 0600) == 0, "mkfifo");
    test_must(symlinkat("file", dir_fd, "link") == 0, "symlink");
    test_must(symlinkat("dir", dir_fd, "dirlink") == 0, "symlink");
    CU_ASSERT_EQUAL(rp_reader_file_open(dir_fd, "file", &fd, &len), 0);
    CU_ASSERT_EQUAL(len, 5);
    (void)close(fd);
    fd = -7;
    CU_ASSERT_EQUAL(rp_reader_file_open(dir_fd, "none", &fd, &len), -ENOENT);
    CU_ASSERT_EQUAL(rp_reader_file_open(dir_fd, "dir", &fd, &len), -EISDIR);
    CU_ASSERT_EQUAL(rp_reader_file_open(dir_fd, "fifo", &fd, &len), -EINVAL);
    CU_ASSERT_EQUAL(rp_reader_file_open(dir_fd, "link", &fd, &len), -ELOOP);
    CU_ASSERT_EQUAL(rp_reader_file_open_dir(dir_fd, "file", &fd), -ENOTDIR);
    CU_ASSERT_EQUAL(rp_reader_file_open_dir(dir_fd, "dirlink", &fd), -ENOTDIR);
    CU_ASSERT_EQUAL(fd, -7);
    CU_ASSERT_EQUAL(rp_reader_file_open_dir(dir_fd, "dir", &fd), 0);
    (void)close(fd);

    const uint8_t *body;
    CU_ASSERT_EQUAL_FATAL(rp_reader_file_open(dir_fd, "file", &fd, &len), 0);
    CU_ASSERT_EQUAL_FATAL(rp_reader_file_map_body(fd, len, &body), 0);
    (void)close(fd);
    CU_ASSERT_EQUAL(memcmp(body, "12345", 5), 0);
    rp_reader_file_unmap_body(body, 5);

    void *map;
    bool is_writable = false;
    CU_ASSERT_EQUAL(rp_reader_file_map(dir_fd, "file", 6, &is_writable, &map), -EINVAL);
    CU_ASSERT_EQUAL_FATAL(rp_reader_file_map(dir_fd, "file", 5, &is_writable, &map), 0);
    CU_ASSERT_TRUE(is_writable);
    ((char *)map)[0] = 'x';
    test_must(munmap(map, 5) == 0, "munmap");
    char text[8];
    size_t got = 0;
    CU_ASSERT_EQUAL(rp_reader_file_open(dir_fd, "file", &fd, &len), 0);
    CU_ASSERT_EQUAL(rp_reader_file_read(fd, text, sizeof text, 0, &got), 0);
    CU_ASSERT_EQUAL(got, 5);
    CU_ASSERT_EQUAL(memcmp(text, "x2345", 5), 0);
    CU_ASSERT_EQUAL(rp_reader_file_read(fd, text, sizeof text, 99, &got), 0);
    CU_ASSERT_EQUAL(got, 0);
    (void)close(fd);
    end();
}

/* Images of files with holes, and lengths around the size of a read. */
static void test_load(void)
{
    begin();
    static const uint64_t lens[] = {0, 1, 4096, 1048575, 1048576, 1048577, 3000000};
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        int fd = openat(dir_fd, "file", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        test_must(fd >= 0 && ftruncate(fd, (off_t)lens[i]) == 0, "file");
        if (lens[i] > 0) {
            test_must(pwrite(fd, "z", 1, (off_t)lens[i] - 1) == 1, "pwrite");
        }
        struct rp_reader_file_image image;
        CU_ASSERT_EQUAL_FATAL(rp_reader_file_load(fd, lens[i], &image), 0);
        CU_ASSERT_EQUAL(image.len, lens[i]);
        uint64_t used = 0;
        for (uint64_t at = 0; at + 1 < lens[i]; at++) {
            used += image.base[at] != 0;
        }
        CU_ASSERT_EQUAL(used, 0);
        CU_ASSERT_TRUE(lens[i] == 0 || image.base[lens[i] - 1] == 'z');
        rp_reader_file_unload(&image);
        rp_reader_file_unload(&image); /* zeroed: nothing */
        /* The file became shorter since its length was asked for: zeros, no crash. */
        test_must(ftruncate(fd, (off_t)lens[i] / 2) == 0, "ftruncate");
        CU_ASSERT_EQUAL_FATAL(rp_reader_file_load(fd, lens[i], &image), 0);
        CU_ASSERT_TRUE(lens[i] == 0 || image.base[lens[i] - 1] == 0);
        rp_reader_file_unload(&image);
        (void)close(fd);
    }
    end();
}

/* What cannot be read is marked, block by block; all else is there. */
static void test_load_unreadable(void)
{
    begin();
    const size_t len = (2u << 20) + 700;
    const size_t blocks = len / RP_SPOOL_BLOCK + 1;
    uint8_t *octets = malloc(len);
    test_must(octets != NULL, "malloc");
    memset(octets, 'y', len);
    test_write_file(dir_fd, "file", octets, len);
    int fd = openat(dir_fd, "file", O_RDONLY | O_CLOEXEC);
    test_must(fd >= 0, "file");
    static const size_t firsts[] = {0, 1, 255, 256, 300, 511, 512};
    for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++) {
        struct rp_reader_file_image image;
        CU_ASSERT_EQUAL_FATAL(rp_reader_file_load(fd, len, &image), 0);
        CU_ASSERT_PTR_NULL(image.is_unreadable);
        rp_reader_file_unload(&image);
        test_unreadable_set(dir_fd, "file", firsts[i] * RP_SPOOL_BLOCK + 5, RP_SPOOL_BLOCK);
        CU_ASSERT_EQUAL_FATAL(rp_reader_file_load(fd, len, &image), 0);
        test_unreadable_clear();
        CU_ASSERT_PTR_NOT_NULL_FATAL(image.is_unreadable);
        for (size_t block = 0; block < blocks; block++) {
            bool is_bad = block == firsts[i] || block == firsts[i] + 1;
            size_t from = block * RP_SPOOL_BLOCK;
            size_t part = len - from < RP_SPOOL_BLOCK ? len - from : RP_SPOOL_BLOCK;
            CU_ASSERT_EQUAL(image.is_unreadable[block], is_bad);
            CU_ASSERT_TRUE(is_bad ? rp_format_is_zero(image.base + from, part)
                                  : memcmp(image.base + from, octets + from, part) == 0);
        }
        rp_reader_file_unload(&image);
        CU_ASSERT_PTR_NULL(image.is_unreadable);
    }
    char text[8];
    size_t got = 77;
    test_unreadable_set(dir_fd, "file", 0, len);
    CU_ASSERT_EQUAL(rp_reader_file_read(fd, text, sizeof text, 0, &got), -EIO);
    CU_ASSERT_EQUAL(got, 77);
    test_unreadable_clear();
    (void)close(fd);
    free(octets);
    end();
}

/* A lock of a daemon is seen, in whichever process; no other is taken for one. */
static void test_locked(void)
{
    begin();
    test_write_file(dir_fd, "file", "12345", 5);
    int fd = openat(dir_fd, "file", O_RDONLY | O_CLOEXEC);
    int daemon_fd = openat(dir_fd, "file", O_RDWR | O_CLOEXEC);
    test_must(fd >= 0 && daemon_fd >= 0, "file");
    CU_ASSERT_FALSE(rp_reader_file_is_locked(fd));
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    test_must(fcntl(daemon_fd, F_OFD_SETLK, &lock) == 0, "lock");
    CU_ASSERT_TRUE(rp_reader_file_is_locked(fd));
    CU_ASSERT_FALSE(rp_reader_file_is_locked(daemon_fd)); /* one's own says nothing */
    test_must(close(daemon_fd) == 0, "close");
    CU_ASSERT_FALSE(rp_reader_file_is_locked(fd));
    CU_ASSERT_FALSE(rp_reader_file_is_locked(-1));
    (void)close(fd);
    end();
}

static void test_is_gone(void)
{
    static const int gone[] = {ENOENT, EISDIR, ELOOP, EINVAL, ENXIO, ENODEV};
    static const int there[] = {0, EACCES, EIO, ENOMEM, EMFILE};
    for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++) {
        CU_ASSERT_TRUE(rp_reader_file_is_gone(-gone[i]));
    }
    for (size_t i = 0; i < sizeof there / sizeof there[0]; i++) {
        CU_ASSERT_FALSE(rp_reader_file_is_gone(-there[i]));
    }
}

static int refuse(void *context, const char *name)
{
    (void)name;
    ++*(int *)context;
    return -EXDEV;
}

static void test_list(void)
{
    begin();
    uint64_t *numbers = NULL;
    size_t count = 9;
    CU_ASSERT_EQUAL(rp_reader_file_segments(dir_fd, &numbers, &count), 0);
    CU_ASSERT_EQUAL(count, 0);
    free(numbers);
    for (uint64_t i = 200; i > 0; i--) {
        char name[RP_FORMAT_FILE_NAME];
        rp_format_segment_name(i * 7 % 211, name);
        test_write_file(dir_fd, name, "", 0);
        rp_format_index_name(i * 7 % 211 + 1000, name);
        test_write_file(dir_fd, name, "", 0);
    }
    CU_ASSERT_EQUAL(rp_reader_file_segments(dir_fd, &numbers, &count), 0);
    CU_ASSERT_EQUAL(count, 400);
    for (size_t i = 1; i < count; i++) {
        CU_ASSERT_TRUE(numbers[i - 1] < numbers[i]);
    }
    free(numbers);
    char name[RP_FORMAT_FILE_NAME]; /* of both kinds: once */
    rp_format_index_name(7, name);
    test_write_file(dir_fd, name, "", 0);
    CU_ASSERT_EQUAL(rp_reader_file_segments(dir_fd, &numbers, &count), 0);
    CU_ASSERT_EQUAL(count, 400);
    free(numbers);
    int calls = 0;
    CU_ASSERT_EQUAL(rp_reader_file_list(dir_fd, refuse, &calls), -EXDEV);
    CU_ASSERT_EQUAL(calls, 1);
    end();
}

static void test_facts(void)
{
    begin();
    test_write_file(dir_fd, "file", "12345", 5);
    uint64_t mark = rp_reader_file_mark(dir_fd, "file");
    CU_ASSERT_NOT_EQUAL(mark, 0);
    CU_ASSERT_EQUAL(rp_reader_file_mark(dir_fd, "file"), mark);
    CU_ASSERT_EQUAL(rp_reader_file_mark(dir_fd, "none"), 0);
    test_write_file(dir_fd, "file", "123456", 6);
    CU_ASSERT_NOT_EQUAL(rp_reader_file_mark(dir_fd, "file"), mark);
    CU_ASSERT_NOT_EQUAL(rp_reader_file_inode(dir_fd, "file"), 0);
    CU_ASSERT_EQUAL(rp_reader_file_inode(dir_fd, "none"), 0);
    CU_ASSERT_TRUE(rp_reader_file_blocks(dir_fd, "file") >= 512);
    CU_ASSERT_EQUAL(rp_reader_file_blocks(dir_fd, "none"), 0);
    uint8_t boot_id[16] = {0};
    uint8_t again[16] = {0};
    const uint8_t zeros[16] = {0};
    CU_ASSERT_EQUAL(rp_reader_file_boot_id(boot_id), 0);
    CU_ASSERT_EQUAL(rp_reader_file_boot_id(again), 0);
    CU_ASSERT_EQUAL(memcmp(boot_id, again, 16), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(boot_id, zeros, 16), 0);
    end();
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 1;
    }
    CU_pSuite suite = CU_add_suite("reader_file", NULL, NULL);
    CU_ADD_TEST(suite, test_open);
    CU_ADD_TEST(suite, test_load);
    CU_ADD_TEST(suite, test_load_unreadable);
    CU_ADD_TEST(suite, test_locked);
    CU_ADD_TEST(suite, test_is_gone);
    CU_ADD_TEST(suite, test_list);
    CU_ADD_TEST(suite, test_facts);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    return failures == 0 && run == 7 ? 0 : 1;
}
