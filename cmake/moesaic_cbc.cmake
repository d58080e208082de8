# Of CBC, which solves integer programs, only the header is needed here (coinor-libcbc-dev): the program loads the library
# when it solves one. Linked, it and the BLAS behind it would cost every start ten milliseconds and a pool of threads.
find_path(MOESAIC_CBC_HEADERS coin/Cbc_C_Interface.h)

# moesaic_use_cbc(FILE): FILE is compiled with MOESAIC_CBC defined where the header was found.
function(moesaic_use_cbc file)
  if(MOESAIC_CBC_HEADERS)
    set_property(SOURCE ${file} APPEND PROPERTY COMPILE_DEFINITIONS MOESAIC_CBC)
    if(NOT MOESAIC_CBC_HEADERS IN_LIST CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES)
      set_property(SOURCE ${file} APPEND PROPERTY COMPILE_OPTIONS "-isystem;${MOESAIC_CBC_HEADERS}")
    endif()
  endif()
endfunction()
