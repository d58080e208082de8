# moesaic_room(NAME SOURCES ... [USES rooms...] [LIBRARIES targets...])
# One static library per room of the house plan; USES are the rooms below it, LIBRARIES are used in .cpp files only.
function(moesaic_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;USES;LIBRARIES" ${ARGN})
  add_library(moesaic_${name} STATIC ${ROOM_SOURCES})
  add_library(moesaic::${name} ALIAS moesaic_${name})
  set_target_properties(moesaic_${name} PROPERTIES EXPORT_NAME ${name})
  target_compile_features(moesaic_${name} PUBLIC cxx_std_20)
  target_include_directories(moesaic_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/moesaic>)
  list(TRANSFORM ROOM_USES PREPEND moesaic_)
  target_link_libraries(moesaic_${name} PUBLIC ${ROOM_USES} PRIVATE ${ROOM_LIBRARIES})
  moesaic_compile_options(moesaic_${name})
  set_property(GLOBAL APPEND PROPERTY MOESAIC_ROOM_TARGETS moesaic_${name})
endfunction()

# Warnings are errors when moesaic is the top-level project, and where they are known: others' warn of other things.
set(MOESAIC_WARNINGS_ARE_ERRORS OFF)
if(PROJECT_IS_TOP_LEVEL AND ((CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13) OR
                             (CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 15)))
  set(MOESAIC_WARNINGS_ARE_ERRORS ON)
endif()

# Warnings and sanitizers, for every target of ours.
function(moesaic_compile_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
                                           -Wnon-virtual-dtor -Woverloaded-virtual)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(${target} PRIVATE -Wno-restrict -Wno-maybe-uninitialized) # GCC 12 false alarms in std::string (bug 105651) and boost::optional
  endif()
  if(MOESAIC_WARNINGS_ARE_ERRORS)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(MOESAIC_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=address,undefined -fno-sanitize-recover=all
                                             -fno-omit-frame-pointer)
    target_link_options(${target} PRIVATE -fsanitize=address,undefined)
  endif()
endfunction()

# For what is compiled more often than its own code takes to run (options, reports, tests): hardly optimised, or not
# at all where checks make compiling long. The rooms that compute are.
function(moesaic_light_optimisation target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1> $<$<BOOL:${MOESAIC_SANITIZE}>:-O0>)
endfunction()
