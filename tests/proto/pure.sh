#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# pure.sh ARCHIVE - proto calls nobody: no system call, no clock, no allocation.
#
# What the objects of the archive need and do not have among themselves must be in the
# list below: moving octets, and dying of a failed assertion.
set -eu

archive=$1

# The first line is calls, the next two are dying; then what compilers and linkers put in: the
# processor's features (dot_scan.c), the
# checked forms of _FORTIFY_SOURCE, position-independent code.
allowed='
memchr memcmp memcpy memmove memset strlen
__assert_fail
__stack_chk_fail
__cpu_model __cpu_indicator_init
__memcpy_chk __memmove_chk __memset_chk
_GLOBAL_OFFSET_TABLE_
'

# "0000 T name" or "U name": the last word is the name, the one before it the kind.
symbols=$(nm "$archive" | awk 'NF >= 2 && $(NF - 1) ~ /^[A-Za-z]$/ { print $(NF - 1), $NF }')
if [ -z "$symbols" ]; then
    echo "pure.sh: $archive: no symbols, is it an archive?" >&2
    exit 1
fi

foreign=$(printf '%s\n' "$symbols" | awk -v allowed="$allowed" '
    BEGIN { count = split(allowed, names); for (i = 1; i <= count; i++) known[names[i]] = 1 }
    $1 == "U" || $1 == "w" { needed[$2] = 1; next }
    { known[$2] = 1 }
    END { for (name in needed) if (!(name in known)) print name }' | sort)
if [ -n "$foreign" ]; then
    echo "pure.sh: $archive needs what proto may not use:" >&2
    printf '%s\n' "$foreign" >&2
    exit 1
fi
echo "pure: $(printf '%s\n' "$symbols" | wc -l) symbols, none from outside but moving octets"
