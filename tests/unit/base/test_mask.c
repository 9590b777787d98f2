/* Masking: fixed cases, and a property: whatever the secret, the encoding, the line width and the
 * cuts between reads are, it does not come out, and what stands around it does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mask.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *mask_text(const char *secret, const char *text, size_t len, unsigned *seed)
{
    char *copy = mem_strdup(secret);
    struct mask_set *set = mask_set_new(&copy, 1);
    struct mask *m = mask_new(set);
    struct buf out = BUF_INIT(SIZE_MAX / 2);
    for (size_t at = 0; at < len;) {
        size_t some = seed == NULL ? len : 1 + (size_t)rand_r(seed) % 20;
        some = some < len - at ? some : len - at;
        mask_add(m, text + at, some, &out);
        at += some;
    }
    mask_end(m, &out);
    mask_free(m);
    mask_set_free(set);
    free(copy);
    return buf_take(&out);
}

static void assert_masked(const char *secret, const char *text, const char *expected)
{
    unsigned seed = 1;
    for (int round = 0; round < 5; round++) {
        AUTO_FREE char *got = mask_text(secret, text, strlen(text), round == 0 ? NULL : &seed);
        assert_string_equal(got, expected);
    }
}

static void fixed_cases(void **state)
{
    (void)state;
    assert_masked("hunter22", "x hunter22 y", "x *** y");
    assert_masked("hunter22", "hunter22hunter22", "***");
    assert_masked("hunter22", "hunter2", "***"); /* most of it, and then the end */
    assert_masked("hunter22", "hunt", "hunt");
    assert_masked("hunter22", "hunter2x hunter22", "hunter2x ***");
    assert_masked("hunter22", "hun\nter22\nz", "***\n***\nz");
    assert_masked("aabaab", "aaabaabaaab", "a***aaab"); /* overlapping beginnings */
    assert_masked("p&ss w=rd", "a=p%26ss+w%3Drd&b", "a=***&b");
    assert_masked("p&ss w=rd", "a=p%26ss%20w%3drd&b", "a=***&b");
    assert_masked("q\"uote\\d", "{\"a\":\"q\\\"uote\\\\d\"}", "{\"a\":\"***\"}");
    assert_masked("p\xC3\xA4ssw\xF0\x9F\x98\x80rt", "\"p\\u00e4ssw\\ud83d\\ude00rt\"", "\"***\"");
    assert_masked("first line\nsecond line\nabc", "no first line, second line abc",
                  "no ***, *** abc");
    assert_masked("first line\nsecond line", "first line\nsecond line\n", "***\n***\n");
    assert_masked("first line\nsecond line", "k: \"first line\\nsecond line\"", "k: \"***\"");
    assert_masked("hunter22", "%h%68unter22 \\hunter22", "%h*** \\***");
}

static void without_secrets_nothing_changes(void **state)
{
    (void)state;
    struct mask *m = mask_new(NULL);
    AUTO_BUF struct buf out = BUF_INIT(100);
    mask_add(m, "a\0b", 3, &out);
    mask_end(m, &out);
    assert_int_equal(out.len, 3);
    mask_free(m);
}

/* ---- encodings
 * ------------------------------------------------------------------------------------ */

static void put_base64(struct buf *to, const char *data, size_t len, const char *last_two)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    for (size_t i = 0; i < len; i += 3) {
        unsigned long group = 0;
        for (size_t k = 0; k < 3; k++) {
            group = group << 8 | (i + k < len ? (unsigned char)data[i + k] : 0);
        }
        for (size_t k = 0; k < 4; k++) {
            unsigned d = group >> (18 - 6 * k) & 63;
            bool pad = k > len - i;
            buf_addc(to, pad ? '=' : d < 62 ? digits[d] : last_two[d - 62]);
        }
    }
}

static void put_percent(struct buf *to, const char *text, unsigned *seed)
{
    for (; *text != '\0'; text++) {
        bool plain = (*text >= 'a' && *text <= 'z') || (*text >= '0' && *text <= '9');
        if (plain && rand_r(seed) % 4 != 0) {
            buf_addc(to, *text);
        } else {
            buf_addf(to, rand_r(seed) % 2 != 0 ? "%%%02X" : "%%%02x", (unsigned char)*text);
        }
    }
}

static void put_escaped(struct buf *to, const char *text, unsigned *seed)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '\n') {
            buf_adds(to, "\\n");
        } else if (c == '"' || c == '\\' || (c == '/' && rand_r(seed) % 2 != 0)) {
            buf_addf(to, "\\%c", c);
        } else if (c < 0x20 || rand_r(seed) % 6 == 0) {
            buf_addf(to, "\\u%04x", c);
        } else {
            buf_addc(to, (char)c);
        }
    }
}

static void wrap(struct buf *to, const struct buf *text, size_t width)
{
    for (size_t i = 0; i < text->len; i++) {
        if (width > 0 && i > 0 && i % width == 0) {
            buf_adds(to, width == 76 ? "\r\n" : "\n");
        }
        buf_addc(to, text->data[i]);
    }
}

static char *squeeze(const char *text)
{
    struct buf out = BUF_INIT(SIZE_MAX / 2);
    for (; *text != '\0'; text++) {
        if (*text != '\n' && *text != '\r') {
            buf_addc(&out, *text);
        }
    }
    return buf_take(&out);
}

static void make_secret(char *secret, size_t *ret_len, unsigned *seed)
{
    /* Few letters make repetitions, many make all of base64. */
    size_t len = 6 + (size_t)rand_r(seed) % (rand_r(seed) % 8 == 0 ? 300 : 30);
    size_t letters = rand_r(seed) % 3 == 0 ? 2 : 94;
    for (size_t i = 0; i < len; i++) {
        secret[i] = (char)('!' + (size_t)rand_r(seed) % letters);
        if (letters > 2 && i > 6 && i + 7 < len && rand_r(seed) % 40 == 0) {
            secret[i] = '\n';
        }
    }
    secret[len] = '\0';
    *ret_len = len;
}

enum { RAW, PERCENT, ESCAPED, BASE64, URL_SAFE, ENCODINGS };

/* Returns what must not come out. */
static char *encode(struct buf *to, const char *secret, size_t len, int encoding, unsigned *seed)
{
    if (encoding == BASE64 || encoding == URL_SAFE) {
        size_t before = (size_t)rand_r(seed) % 4, after = (size_t)rand_r(seed) % 4;
        AUTO_FREE char *data = mem_alloc(len + 8);
        memset(data, 'z', len + 8);
        memcpy(data + before, secret, len);
        put_base64(to, data, before + len + after, encoding == BASE64 ? "+/" : "-_");
        /* The digits that the secret alone decides. */
        size_t first = (before * 8 + 5) / 6, last = (before + len) * 8 / 6;
        return mem_strndup(to->data + first, last - first);
    }
    if (encoding == PERCENT) {
        put_percent(to, secret, seed);
    } else if (encoding == ESCAPED) {
        put_escaped(to, secret, seed);
    } else {
        buf_adds(to, secret);
    }
    return squeeze(buf_str(to));
}

static void never_leaks(void **state)
{
    (void)state;
    static const size_t widths[] = {0, 64, 76, 7};
    unsigned seed = 42;
    for (int round = 0; round < 20000; round++) {
        char secret[400];
        size_t len;
        int encoding = rand_r(&seed) % ENCODINGS;
        AUTO_BUF struct buf encoded = BUF_INIT(1 << 20), text = BUF_INIT(1 << 20);
        make_secret(secret, &len, &seed);
        AUTO_FREE char *hidden = encode(&encoded, secret, len, encoding, &seed);
        buf_adds(&text, "\x01 before \x02");
        wrap(&text, &encoded, widths[rand_r(&seed) % 4]);
        buf_adds(&text, "\x03 after \x04\n");
        AUTO_FREE char *masked = mask_text(secret, buf_str(&text), text.len, &seed);
        AUTO_FREE char *flat = squeeze(masked);
        if (strstr(flat, hidden) != NULL || strstr(flat, "***") == NULL ||
            strstr(flat, "\x01 before \x02") != flat || strstr(flat, "\x03 after \x04") == NULL) {
            fail_msg("round %d, encoding %d: '%s' in '%s' became '%s'", round, encoding, secret,
                     buf_str(&text), masked);
        }
    }
}

static void text_without_the_secret_is_left_alone(void **state)
{
    (void)state;
    unsigned seed = 7;
    for (int round = 0; round < 2000; round++) {
        char text[600];
        for (size_t i = 0; i < sizeof(text) - 1; i++) {
            text[i] = "abc%\\u0041+/=\n"[rand_r(&seed) % 14];
        }
        text[sizeof(text) - 1] = '\0';
        /* 'X' appears in no form of it: %58 and \u0058 cannot be made of these letters. */
        AUTO_FREE char *got = mask_text("abcXabc", text, strlen(text), &seed);
        AUTO_FREE char *again = mem_strdup(text);
        assert_string_equal(got, again);
    }
}

static void finds_secrets(void **state)
{
    static const struct {
        const char *text;
        bool found;
    } rows[] = {
        {"a hunter2222 b", true},       {"hunter222", false},   {"", false},
        {"aHVudGVyMjIyMg==", true},     /* alone */
        {"eGh1bnRlcjIyMjJ5", true},     /* behind one byte */
        {"eHhodW50ZXIyMjIyeQ==", true}, /* behind two */
        {"%68unter2222", true},         {"hunt\ner2222", true},
    };
    (void)state;
    AUTO_FREE char *secret = mem_strdup("hunter2222");
    struct mask_set *set = mask_set_new(&secret, 1);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (mask_finds(set, rows[i].text, strlen(rows[i].text)) != rows[i].found) {
            fail_msg("%s", rows[i].text);
        }
    }
    AUTO_FREE char *far = mem_alloc(10001);
    memset(far, '.', 10000);
    memcpy(far + 4090, "hunter2222", 10); /* over the border of two pieces */
    assert_true(mask_finds(set, far, 10000));
    assert_false(mask_finds(NULL, "hunter2222", 10));
    assert_int_equal(mask_begins(set, "hunter-"), 6);
    assert_int_equal(mask_begins(set, "aHVudGVyMj'"), 10);
    assert_int_equal(mask_begins(set, "xhunter2222"), 0);
    assert_int_equal(mask_begins(set, "hhunter2222"), 1);
    assert_int_equal(mask_begins(NULL, "hunter2222"), 0);
    char text[] = "'d/hunter2222' is a link, 'hunter";
    mask_hide(set, text, sizeof(text));
    assert_string_equal(text, "'d/***' is a link, '***");
    mask_set_free(set);
}

static void is_quick(void **state)
{
    (void)state;
    char *secrets[] = {mem_strdup("correct horse battery"), mem_strdup("AKIAIOSFODNN7EXAMPLE"),
                       mem_strdup("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")};
    struct mask_set *set = mask_set_new(secrets, 3);
    struct mask *m = mask_new(set);
    struct buf out = BUF_INIT(SIZE_MAX / 2);
    static const char line[] = "epoch 12 loss=0.123456 accuracy=0.9876 lr=1e-3 /data/in/set.csv\n";
    int64_t before = clock_boot_ms(clock_system());
    for (int i = 0; i < 200000; i++) {
        mask_add(m, line, sizeof(line) - 1, &out);
        if (i % 1000 == 0) {
            buf_clear(&out);
        }
    }
    int64_t took = clock_boot_ms(clock_system()) - before;
    print_message("masking: %zu MB in %lld ms\n", 200000 * sizeof(line) >> 20, (long long)took);
    buf_done(&out);
    mask_free(m);
    mask_set_free(set);
    for (size_t i = 0; i < 3; i++) {
        free(secrets[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_cases),   cmocka_unit_test(without_secrets_nothing_changes),
        cmocka_unit_test(never_leaks),   cmocka_unit_test(text_without_the_secret_is_left_alone),
        cmocka_unit_test(finds_secrets), cmocka_unit_test(is_quick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
