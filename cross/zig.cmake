# How the static build compiles the C++ of RandomX: with the zig wrappers that cargo-zigbuild
# names in CC_TRIPLE, CXX_TRIPLE and AR_TRIPLE (cross/src/zig.rs sets FARM_TARGET).
#
# zig compiles libc and libc++ anew for every set of flags that something is *linked* with, about
# 90 s of CPU each. So the checks of the configuration only compile, and RandomX's own test programs
# are not built: one libc++ is left, the one that ends up in `miner`.
set(CMAKE_SYSTEM_NAME Linux)
string(REGEX MATCH "^[^_]+(_64)?" CMAKE_SYSTEM_PROCESSOR "$ENV{FARM_TARGET}")
set(CMAKE_C_COMPILER "$ENV{CC_$ENV{FARM_TARGET}}")
set(CMAKE_CXX_COMPILER "$ENV{CXX_$ENV{FARM_TARGET}}")
set(CMAKE_AR "$ENV{AR_$ENV{FARM_TARGET}}")
set(CMAKE_RANLIB "$ENV{RANLIB_$ENV{FARM_TARGET}}")
set(CMAKE_C_LINKER_DEPFILE_SUPPORTED FALSE)
set(CMAKE_CXX_LINKER_DEPFILE_SUPPORTED FALSE)
set(CMAKE_C_COMPILER_ID_FLAGS_ALWAYS -c)
set(CMAKE_CXX_COMPILER_ID_FLAGS_ALWAYS -c)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)

# CMake keeps a command that is defined anew under its name with an underscore in front; this file
# is read more than once.
if(NOT COMMAND _add_executable)
  function(add_executable name)
    _add_executable(${name} EXCLUDE_FROM_ALL ${ARGN})
  endfunction()
endif()
