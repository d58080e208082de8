# Installs the program, the rooms as libraries (find_package(moesaic) gives moesaic::base ... moesaic::reports), their
# public headers, and the shipped configurations.
option(MOESAIC_INSTALL "Make the install target" ${PROJECT_IS_TOP_LEVEL})
if(NOT MOESAIC_INSTALL)
  return()
endif()
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/moesaic)
get_property(room_targets GLOBAL PROPERTY MOESAIC_ROOM_TARGETS)
install(TARGETS ${room_targets} EXPORT moesaicTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS moesaic RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
if(TARGET moesaic-simgrid) # not for people: moesaic starts it
  install(TARGETS moesaic-simgrid RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/moesaic)
endif()
install(EXPORT moesaicTargets NAMESPACE moesaic:: DESTINATION ${package_dir})

# A header that begins with "// Private to" may include what a user does not have; it stays at home.
foreach(target IN LISTS room_targets)
  get_target_property(room_dir ${target} SOURCE_DIR)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR} ${room_dir}/*.hpp)
  foreach(header IN LISTS headers)
    file(STRINGS ${header} first_line LIMIT_COUNT 1)
    if(NOT first_line MATCHES "^// Private to")
      cmake_path(GET header PARENT_PATH folder)
      install(FILES ${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/moesaic/${folder})
    endif()
  endforeach()
endforeach()

install(DIRECTORY configs DESTINATION ${CMAKE_INSTALL_DATADIR}/moesaic FILES_MATCHING PATTERN "*.json")
install(FILES LICENSE README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

configure_package_config_file(cmake/moesaicConfig.cmake.in ${PROJECT_BINARY_DIR}/moesaicConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/moesaicConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/moesaicConfig.cmake ${PROJECT_BINARY_DIR}/moesaicConfigVersion.cmake
        DESTINATION ${package_dir})
