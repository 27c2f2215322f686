# libhe: `make`, `make demo`, `make check`, `make install`; `make help` lists the rest.
# Put local changes of the variables below into config.mk, or on the command line.
-include config.mk

CC ?= cc
OBJCOPY ?= objcopy
CFLAGS ?= -O2 -g
PREFIX ?= /usr/local
# Debian's loader searches /usr/local/lib and the multiarch directories for a bare LD_PRELOAD name.
LIBDIR ?= $(PREFIX)/lib
MANDIR ?= $(PREFIX)/share/man
DESTDIR ?=
B ?= build
SAN ?=

VERSION := $(shell sed -n 's/^.define HE_VERSION "\(.*\)"/\1/p' include/he.h)
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2
override CPPFLAGS += -D_GNU_SOURCE -Iinclude -Ipreload -DHE_LIBDIR='"$(LIBDIR)"'
override CFLAGS += -std=c11 $(WARNINGS) -fvisibility=hidden -fno-common -fexceptions $(SAN:%=-fsanitize=%)
override LDFLAGS += $(SAN:%=-fsanitize=%)
LIBS := -ldl -pthread

LIB_SRC := $(sort $(filter-out preload/api/%,$(wildcard preload/*/*.c)))
LIB_OBJ := $(LIB_SRC:%.c=$(B)/obj/%.o)
# libheconnect: the API on the race and the handshakes that libhe.so has; SOVERSION is its ABI.
SOVERSION := 0
API_SRC := $(sort $(wildcard preload/api/*.c preload/race/*.c)) preload/wire/handshake.c preload/wire/own.c \
           preload/base/addr.c preload/base/clock.c
API_OBJ := $(API_SRC:%.c=$(B)/obj/%.o)
# The launcher checks settings by the library's own table.
HE_SRC := $(sort $(wildcard tools/he*.c)) tools/preflight.c \
          preload/memory/settings.c preload/base/note.c preload/base/fd.c preload/base/libc.c
HE_OBJ := $(HE_SRC:%.c=$(B)/obj/%.o)
PURE_SRC := $(sort $(wildcard preload/race/*.c preload/base/*.c preload/memory/*.c)) \
            preload/edge/eligible.c
PURE_OBJ := $(PURE_SRC:%.c=$(B)/obj/%.o)
UNIT_SRC := $(sort $(wildcard tests/unit/*.c))
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(B)/unit/%)
# api_uv.c is built where it is run: libuv may come with the tests.
PROGRAM_SRC := $(filter-out tests/programs/fault.c tests/programs/api_uv.c,$(sort $(wildcard tests/programs/*.c tests/lab/*.c)))
PROGRAM_BIN := $(patsubst %.c,$(B)/tests/%,$(notdir $(PROGRAM_SRC)))
CONFORM_BIN := $(B)/tests/conformance $(B)/tests/conformance_shared $(B)/tests/he_input

.DELETE_ON_ERROR:
# Objects stay, to be compiled once.
.SECONDARY:
.SUFFIXES:
.PHONY: all help
all: $(B)/libhe.so $(B)/he $(B)/libheconnect.so $(B)/libheconnect.a ## build libhe.so, he and libheconnect

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 14

# A change of compiler, flags or sanitizer rebuilds everything.
BUILT_WITH := $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS)
$(B)/flags: $(if $(filter-out $(shell cat $(B)/flags 2>/dev/null),$(BUILT_WITH)),always)
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(BUILT_WITH))' > $@
.PHONY: always
always:

$(B)/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -fPIC -MMD -MP -c -o $@ $<

$(B)/libhe.so: $(LIB_OBJ) preload/edge/exports.map
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -o $@ $(LIB_OBJ) \
	    -Wl,--version-script=preload/edge/exports.map -Wl,--no-undefined-version \
	    $(if $(SAN),,-Wl,-z,defs) -Wl,-z,now -Wl,-z,relro -Wl,-soname,libhe.so $(LIBS)

# Not unloaded by dlclose(): a lookup that nobody waits for may still run in it.
$(B)/libheconnect.so.$(SOVERSION): $(API_OBJ) preload/api/symbols.map
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -o $@ $(API_OBJ) \
	    -Wl,--version-script=preload/api/symbols.map -Wl,--no-undefined-version \
	    $(if $(SAN),,-Wl,-z,defs) -Wl,-z,now -Wl,-z,relro -Wl,-z,nodelete \
	    -Wl,-soname,$(@F) -pthread

$(B)/libheconnect.so: $(B)/libheconnect.so.$(SOVERSION)
	ln -sf $(<F) $@

# One object, so that the names of our rooms stay ours in a program that links it. Without groups: of
# a group that the program has as well (the reference to the personality of -fexceptions) the linker
# takes one, and what was made local in ours would point to nothing.
$(B)/libheconnect.a: $(API_OBJ)
	$(LD) -r --force-group-allocation -o $(B)/obj/libheconnect.o $(API_OBJ)
	$(OBJCOPY) --localize-hidden $(B)/obj/libheconnect.o
	rm -f $@
	$(AR) rcs $@ $(B)/obj/libheconnect.o

# A program as its users write them: the header and the archive.
$(B)/http_get: $(B)/obj/tools/http_get.o $(B)/libheconnect.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -pthread

$(B)/he: $(HE_OBJ)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(HE_OBJ) $(LIBS)

$(B)/unit/%: $(B)/obj/tests/unit/%.o $(PURE_OBJ)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(UNIT_LDFLAGS) $(LIBS)

# It makes the library's memory fail.
$(B)/unit/test_list: $(B)/libheconnect.a
$(B)/unit/test_list: UNIT_LDFLAGS := -Wl,--wrap=malloc,--wrap=free

$(B)/tests/connector: $(B)/libheconnect.a

$(B)/tests/%: $(B)/obj/tests/programs/%.o
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

# Programs of the API.
$(B)/tests/api_%: $(B)/obj/tests/programs/api_%.o $(B)/libheconnect.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

# What is linked beside its own object: rooms of the API that decide.
$(B)/unit/test_answer_cache: $(addprefix $(B)/obj/preload/api/,answer_cache.o lookup.o)
$(B)/unit/test_failure_memory: $(B)/obj/preload/api/failure_memory.o
$(B)/unit/test_lineup: $(addprefix $(B)/obj/preload/api/,failure_memory.o lineup.o plan.o report.o sized.o)

$(B)/tests/%: $(B)/obj/tests/lab/%.o
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

# A second preload that makes system calls of libhe fail.
$(B)/tests/%.so: $(B)/obj/tests/programs/%.o
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -o $@ $^ $(LIBS)

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

.PHONY: examples demo bench soak tests unit check asan tsan
examples: $(B)/http_get ## build the example programs of libheconnect

demo: all $(B)/tests/blackhole $(B)/tests/greet $(B)/demo_names.so ## show what libhe does, on real programs
	@HE_BUILD=$(B) tools/demo

$(B)/demo_names.so: $(B)/obj/tools/demo_names.o
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -o $@ $^ $(LIBS)

tests: all examples $(UNIT_BIN) $(PROGRAM_BIN) $(B)/tests/fault.so $(B)/tests/soak $(CONFORM_BIN)

$(B)/tests/soak: $(patsubst %.c,$(B)/obj/%.o,$(sort $(wildcard tests/soak/*.c)))
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

# What holds libheconnect to he.h, as an archive and as a shared library; the archive's allocations
# go through tests/conformance/heap.c.
CONFORM_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(sort $(wildcard tests/conformance/*.c)))
INPUT_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(sort $(wildcard tests/input/*.c)) \
             $(addprefix tests/conformance/,conform.c heap.c hooks.c peers.c))
WRAPPED := -Wl,--wrap=malloc,--wrap=calloc,--wrap=free
$(B)/tests/conformance: $(CONFORM_OBJ) $(B)/libheconnect.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(WRAPPED) $(LIBS)

$(B)/tests/conformance_shared: $(filter-out %/heap.o,$(CONFORM_OBJ)) $(B)/libheconnect.so.$(SOVERSION)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -Wl,-rpath,'$$ORIGIN/..' $(LIBS)

$(B)/tests/he_input: $(INPUT_OBJ) $(B)/libheconnect.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(WRAPPED) $(LIBS)

$(B)/bench: $(patsubst %.c,$(B)/obj/%.o,$(sort $(wildcard tools/bench*.c))) $(B)/libheconnect.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

bench: tests $(B)/bench ## print what libhe costs, and how near real programs come to the ideal
	HE_BUILD=$(B) tools/bench.bash

RACES ?= 1000000
SEED ?=
soak: tests ## make RACES=1000000 random races, of SEED= or a fresh one, until one goes wrong
	HE_BUILD=$(B) tests/soak/run --count $(RACES) $(SEED:%=--seed %)

unit: tests ## run the unit tests
	HE_BUILD=$(B) tests/run unit

check: tests ## run all tests; installs what they need where it may
	HE_BUILD=$(B) tests/run all

.PHONY: torture
ROUNDS ?= 200
torture: tests ## run the torture set ROUNDS (200) times; with a sanitizer: make asan RUN='tests/torture 200'
	HE_BUILD=$(B) tests/torture $(ROUNDS)

.PHONY: fuzz fuzz-compiler fuzz-targets
FUZZ_CC ?= clang
FUZZ_SECONDS ?= 60
FUZZ_SRC := $(sort $(wildcard tests/fuzz/*.c))

fuzz: fuzz-compiler ## let libFuzzer look for input that breaks the API, FUZZ_SECONDS (60) for each target
	$(MAKE) B=$(B)/fuzz CC=$(FUZZ_CC) SAN=address,undefined,fuzzer-no-link fuzz-targets
	HE_BUILD=$(B)/fuzz tests/fuzz/run $(FUZZ_SECONDS)

fuzz-compiler:
	@mkdir -p $(B)/fuzz
	@echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' | \
	    $(FUZZ_CC) -fsanitize=fuzzer,address,undefined -o $(B)/fuzz/probe -x c - || \
	    { echo 'fuzz: needs clang with libFuzzer (Debian: apt-get install clang libclang-rt-14-dev)' >&2; exit 1; }

fuzz-targets: $(FUZZ_SRC:tests/fuzz/%.c=$(B)/fuzz_%)

# libFuzzer brings main().
$(B)/fuzz_%: $(B)/obj/tests/fuzz/%.o $(B)/libheconnect.a
	$(CC) $(CFLAGS) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ -pthread

# What asan and tsan run.
RUN ?= tests/run all

# Where the compiler's runtime is, because it must be preloaded before an instrumented library.
RUNTIME = $$(realpath $$($(CC) -print-file-name=lib$(1).so))

# Leaks are counted by the tests themselves: interpreters and shells leak by design.
asan: ## run the tests on a build with AddressSanitizer and UndefinedBehaviorSanitizer
	$(MAKE) B=build/asan SAN=address,undefined tests
	HE_BUILD=build/asan HE_RUNTIME="$(call RUNTIME,asan)" HE_SANITIZER=asan \
	    ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:verify_asan_link_order=0 \
	    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 $(RUN)

# Its runtime crashes in programs that were not built with it: the tests of real programs skip.
tsan: ## run the tests on a build with ThreadSanitizer
	$(MAKE) B=build/tsan SAN=thread tests
	HE_BUILD=build/tsan HE_SANITIZER=tsan \
	    TSAN_OPTIONS=halt_on_error=1:report_signal_unsafe=0:die_after_fork=0:report_thread_leaks=0:suppressions=$(CURDIR)/tests/tsan.supp $(RUN)

# Written anew for each installation, as PREFIX may be another one.
$(B)/libheconnect.pc: preload/api/libheconnect.pc.in include/he.h always
	@mkdir -p $(@D)
	@sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR:$(PREFIX)/%=$${prefix}/%)|' \
	    -e 's|@VERSION@|$(VERSION)|' $< > $@

# A page is found by each name of its NAME section: by its own, or through a page that includes it.
MAN := $(sort $(wildcard include/man/*.3))
man_names = $(filter-out $(basename $(notdir $(1))),$(shell \
    sed -n '/^\.SH NAME/,/\\-/{/^\.SH/d; s/\\-.*//; s/,/ /g; p}' $(1)))
MAN_LINKS := $(foreach page,$(MAN),$(patsubst %,$(B)/man/%.3,$(call man_names,$(page))))
define man_links
$(patsubst %,$(B)/man/%.3,$(call man_names,$(1))): $(1)
	@mkdir -p $$(@D)
	@echo '.so man3/$(notdir $(1))' > $$@
endef
$(foreach page,$(MAN),$(eval $(call man_links,$(page))))

# source:mode:place, for install and uninstall alike.
INSTALLED := $(B)/libhe.so:644:$(LIBDIR)/libhe.so \
             $(B)/he:755:$(PREFIX)/bin/he \
             $(B)/libheconnect.so.$(SOVERSION):644:$(LIBDIR)/libheconnect.so.$(SOVERSION) \
             $(B)/libheconnect.a:644:$(LIBDIR)/libheconnect.a \
             $(B)/libheconnect.pc:644:$(LIBDIR)/pkgconfig/libheconnect.pc \
             include/he.h:644:$(PREFIX)/include/he.h \
             $(foreach page,$(MAN) $(MAN_LINKS),$(page):644:$(MANDIR)/man3/$(notdir $(page)))
# What a program is linked by, to the library that it then needs.
INSTALLED_LINK := $(DESTDIR)$(LIBDIR)/libheconnect.so
part = $(word $(2),$(subst :, ,$(1)))

.PHONY: install uninstall clean
install: all $(foreach f,$(INSTALLED),$(call part,$(f),1)) ## install below $(DESTDIR)$(PREFIX)
	@$(foreach f,$(INSTALLED),echo "install $(DESTDIR)$(call part,$(f),3)" && \
	    install -D -m $(call part,$(f),2) $(call part,$(f),1) $(DESTDIR)$(call part,$(f),3) &&) :
	ln -sf libheconnect.so.$(SOVERSION) $(INSTALLED_LINK)
	@# The loader finds a bare name in /usr/local/lib, of LD_PRELOAD or of a library, through its cache.
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then ldconfig; fi

uninstall: ## remove what install put there
	rm -f $(foreach f,$(INSTALLED),$(DESTDIR)$(call part,$(f),3)) $(INSTALLED_LINK)
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then ldconfig; fi

clean: ## remove what was built
	rm -rf build
