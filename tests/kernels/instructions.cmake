# Compiles one .cu for one architecture and reads the PTX and what ptxas reports: the instructions that the kernels are
# built on are there, nothing lives in local memory, nothing is spilled, and no wgmma waits for the one before it.
# -D nvcc= source= include= architecture= folder= expected=instruction|instruction
cmake_minimum_required(VERSION 3.25)
cmake_path(GET source STEM family)
file(REMOVE_RECURSE ${folder})
file(MAKE_DIRECTORY ${folder})
execute_process(
  COMMAND ${nvcc} -std=c++20 -O3 -I${include} -gencode arch=compute_${architecture},code=sm_${architecture} -cubin
          -Xptxas -v --keep --keep-dir ${folder} -o ${folder}/${family}.cubin ${source}
  RESULT_VARIABLE failed OUTPUT_VARIABLE report ERROR_VARIABLE report)
if(failed)
  message(FATAL_ERROR "${source} does not compile:\n${report}")
endif()
set(wrong)

string(REGEX MATCHALL "Compiling entry function" kernels "${report}")
string(REGEX MATCHALL "[0-9]+ bytes stack frame, [0-9]+ bytes spill stores, [0-9]+ bytes spill loads" frames "${report}")
list(LENGTH kernels kernel_count)
list(LENGTH frames frame_count)
if(kernel_count EQUAL 0 OR NOT frame_count EQUAL kernel_count)
  list(APPEND wrong "${kernel_count} kernels, ${frame_count} reports")
endif()
foreach(frame IN LISTS frames)
  if(NOT frame STREQUAL "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads")
    list(APPEND wrong "${frame}")
  endif()
endforeach()
if(report MATCHES "C75[0-9][0-9]")
  list(APPEND wrong "wgmma is serialized or waits: ${CMAKE_MATCH_0}")
endif()

file(GLOB ptx_file ${folder}/${family}*.ptx)
file(READ ${ptx_file} ptx)
string(REPLACE "|" ";" expected "${expected}")
foreach(instruction IN LISTS expected)
  string(FIND "${ptx}" "${instruction}" place)
  if(place EQUAL -1)
    list(APPEND wrong "no ${instruction}")
  endif()
endforeach()

if(wrong)
  list(JOIN wrong "\n  " wrong)
  message(FATAL_ERROR "${family}, ${architecture}:\n  ${wrong}\n${report}")
endif()
message("${report}")
