# Warnings, hardening, sanitizers, and the two functions that declare a module and a program.

add_library(orch_flags INTERFACE)
target_compile_options(orch_flags INTERFACE
  -Wall -Wextra -Wpedantic -Werror
  -Wconversion -Wshadow -Wformat=2 -Wswitch-enum -Wmissing-prototypes -Wstrict-prototypes
  -Wnull-dereference -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wvla
  -fno-common -fstack-protector-strong)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  target_compile_options(orch_flags INTERFACE -Wlogical-op -Wduplicated-cond -Wduplicated-branches)
endif()
target_compile_definitions(orch_flags INTERFACE _GNU_SOURCE ORCH_VERSION="${PROJECT_VERSION}"
  $<$<NOT:$<CONFIG:Debug>>:_FORTIFY_SOURCE=2>)
target_include_directories(orch_flags INTERFACE ${CMAKE_SOURCE_DIR})
if(ORCH_SANITIZE)
  target_compile_options(orch_flags INTERFACE -fsanitize=${ORCH_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_compile_options(orch_flags INTERFACE -U_FORTIFY_SOURCE)
  target_link_options(orch_flags INTERFACE -fsanitize=${ORCH_SANITIZE})
endif()
if(ORCH_FUZZ)
  target_compile_options(orch_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# orch_module(FOLDER USES...): the static library orch_<folder>, made of the folder's .c files and those of its
# sub-folders that are no modules of their own. A plain name in USES is another module.
function(orch_module folder)
  string(REPLACE "/" "_" name ${folder})
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.c ${folder}/sqlite/*.c)
  list(FILTER sources EXCLUDE REGEX "/main\\.c$")
  if(NOT sources)
    return()
  endif()
  add_library(orch_${name} STATIC ${sources})
  target_link_libraries(orch_${name} PUBLIC orch_flags)
  _orch_uses(orch_${name} ${ARGN})
endfunction()

function(orch_program name sources)
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE orch_flags)
  _orch_uses(${name} ${ARGN})
endfunction()

function(_orch_uses target)
  foreach(use IN LISTS ARGN)
    if(use MATCHES "::|^-")
      target_link_libraries(${target} PUBLIC ${use})
    else()
      target_link_libraries(${target} PUBLIC orch_${use})
    endif()
  endforeach()
endfunction()
