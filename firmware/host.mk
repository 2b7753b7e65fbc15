# The device as a shared library for this computer, for the importer and the tests, and the C programs of the tests:
#
#   make -f firmware/host.mk $PWD/build/firmware/host/plain/libzkmeter.so
#   make -f firmware/host.mk $PWD/build/firmware/host/memory/scenario
#
# Kinds: plain; address (with undefined); memory (clang); fuzz (clang with libFuzzer, address and undefined); constant
# (secrets are marked for valgrind).

include $(dir $(lastword $(MAKEFILE_LIST)))Makefile
ifdef ZKM_BUILD_LOCKED

KINDS := plain address memory fuzz constant
DEVICE := device line window checkpoint journal pages frame crypto sodium_stubs
PROGRAMS := scenario constant_time fuzz_command fuzz_frame

CC_plain := cc
CC_address := cc
CC_memory := clang
CC_fuzz := clang
CC_constant := cc
FLAGS_plain := -O2
FLAGS_address := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FLAGS_memory := -O1 -g -fsanitize=memory -fno-sanitize-recover=all -fno-omit-frame-pointer
FLAGS_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
FLAGS_constant := -O2 -g
DEFINES_constant := -include $(HERE)/tests/constant_time.h
LINK_fuzz := -fsanitize=fuzzer

HOST_PORT := $(HERE)/ports/host
HOST_WARNINGS := $(WARNINGS) -Wshadow
HOST_INCLUDES := -I$(HERE)/include -I$(HERE)/src -I$(BUILD) -I$(HERE)/ports -I$(HOST_PORT)
HOST_HEADERS := $(wildcard $(HERE)/include/*.h $(HERE)/src/*.h $(HERE)/ports/*.h $(HOST_PORT)/*.h) \
	$(wildcard $(HERE)/tests/*.h) $(TABLES)
# libsodium shifts and loads as it likes: only the sanitizers that look at memory
SODIUM_HOST := -std=gnu11 -w -fPIC -fvisibility=hidden -fno-sanitize=undefined $(SODIUM_INCLUDES) $(SODIUM_DEFINES)

define kind_rules
$(HOST)/$(1)/sodium/%.o: $(SODIUM)/include/sodium/version.h
	@mkdir -p $$(@D)
	@$(CC_$(1)) $(FLAGS_$(1)) $(SODIUM_HOST) -c $(SODIUM)/src/$$*.c -o $$@
$(HOST)/$(1)/%.o: $(HERE)/src/%.c $(HOST_HEADERS) $(SODIUM)/include/sodium/version.h
	@mkdir -p $$(@D)
	@$(CC_$(1)) -std=c11 $(FLAGS_$(1)) $(DEFINES_$(1)) $(HOST_WARNINGS) -fPIC $(HOST_INCLUDES) $(SODIUM_INCLUDES) \
		-DSODIUM_STATIC=1 -c $$< -o $$@
$(HOST)/$(1)/%.o: $(HERE)/ports/%.c $(HOST_HEADERS)
	@mkdir -p $$(@D)
	@$(CC_$(1)) -std=c11 $(FLAGS_$(1)) $(HOST_WARNINGS) -fPIC $(HOST_INCLUDES) -c $$< -o $$@
$(HOST)/$(1)/%.o: $(HOST_PORT)/%.c $(HOST_HEADERS)
	@mkdir -p $$(@D)
	@$(CC_$(1)) -std=c11 $(FLAGS_$(1)) $(HOST_WARNINGS) -fPIC $(HOST_INCLUDES) -c $$< -o $$@
$(HOST)/$(1)/%.o: $(HERE)/tests/%.c $(HOST_HEADERS)
	@mkdir -p $$(@D)
	@$(CC_$(1)) -std=c11 $(FLAGS_$(1)) $(DEFINES_$(1)) $(HOST_WARNINGS) $(HOST_INCLUDES) -c $$< -o $$@
$(HOST)/$(1)/libzkmeter.a: $(patsubst %,$(HOST)/$(1)/%.o,$(DEVICE) $(HASHING) host host_chain) \
		$(SODIUM_SOURCES:%.c=$(HOST)/$(1)/sodium/%.o)
	@rm -f $$@
	@ar rcs $$@ $$^
$(HOST)/$(1)/libzkmeter.so: $(HOST)/$(1)/libzkmeter.a
	@$(CC_$(1)) $(FLAGS_$(1)) -shared -Wl,--whole-archive $$< -Wl,--no-whole-archive -o $$@
$(PROGRAMS:%=$(HOST)/$(1)/%): $(HOST)/$(1)/%: $(HOST)/$(1)/%.o $(HOST)/$(1)/memory_flash.o $(HOST)/$(1)/libzkmeter.a
	@$(CC_$(1)) $(FLAGS_$(1)) $(LINK_$(1)) $$^ -o $$@
endef
$(foreach kind,$(KINDS),$(eval $(call kind_rules,$(kind))))
.SECONDARY:

endif
