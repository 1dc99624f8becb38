# The Debian and RPM packages: `cpack -G DEB` or `cpack -G RPM` in build/release. What a package holds beside what
# `cmake --install` does - units, the config, the user - has absolute places, and is installed by a package alone:
# EXCLUDE_FROM_ALL.
set(GEO_PACKAGE_RELEASE 1 CACHE STRING "Which packages of this version they are: 0.1.0-RELEASE")
set(GEO_ETC_DIR /etc/geod)
set(GEO_UNIT_DIR /usr/lib/systemd/system)
set(staged ${CMAKE_CURRENT_BINARY_DIR}/staged)
set(GEO_COMPONENTS geod geoctl libgeo libgeo-dev symbols) # not geod-dbgsym: a folder of that name CPack takes away
set(GEO_PACKAGES geod geoctl libgeo0 libgeo-dev geod-dbgsym)

# ---- the config: config/geod.toml, with a key and a file for the access log

file(READ ${PROJECT_SOURCE_DIR}/config/geod.toml config)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/config/geod.toml)
function(change_key from to)
  string(REPLACE "\n${from}\n" "\n${to}\n" changed "${config}")
  if(changed STREQUAL config)
    message(FATAL_ERROR "config/geod.toml has no line: ${from}")
  endif()
  set(config "${changed}" PARENT_SCOPE)
endfunction()
change_key("keys = []" "keys = [{ id = \"k1\", secret_file = \"k1.hex\" }]")
change_key("access = \"stdout\"" "access = \"/var/log/geod/access.log\"")
file(CONFIGURE OUTPUT ${staged}/geod.toml CONTENT "${config}" @ONLY)

# ---- systemd

foreach(unit IN ITEMS geod geod@)
  if(unit STREQUAL "geod")
    set(GEO_UNIT_DESCRIPTION "Geo redirect for live video")
    set(GEO_UNIT_CONFIG ${GEO_ETC_DIR}/geod.toml)
    set(GEO_UNIT_DIRECTORY geod)
  else()
    set(GEO_UNIT_DESCRIPTION "Geo redirect for live video, %i")
    set(GEO_UNIT_CONFIG ${GEO_ETC_DIR}/%i.toml)
    set(GEO_UNIT_DIRECTORY geod/%i)
  endif()
  configure_file(systemd/geod.service.in ${staged}/${unit}.service @ONLY)
endforeach()

# `cmake --install --component geod` is no package either: nothing of this without a root to put it in.
foreach(component IN LISTS GEO_COMPONENTS)
  install(CODE "if(\"\$ENV{DESTDIR}\" STREQUAL \"\")\n  return()\nendif()" COMPONENT ${component} EXCLUDE_FROM_ALL)
endforeach()
install(FILES ${staged}/geod.service ${staged}/geod@.service systemd/geod.socket
  DESTINATION ${GEO_UNIT_DIR} COMPONENT geod EXCLUDE_FROM_ALL)
install(FILES systemd/geod.sysusers DESTINATION /usr/lib/sysusers.d RENAME geod.conf COMPONENT geod EXCLUDE_FROM_ALL)
install(FILES ${staged}/geod.toml DESTINATION ${GEO_ETC_DIR} COMPONENT geod EXCLUDE_FROM_ALL)
install(FILES etc/data/topology.toml etc/data/accounts.toml etc/data/devices.toml
  DESTINATION ${GEO_ETC_DIR}/data COMPONENT geod EXCLUDE_FROM_ALL)
install(FILES etc/geod.logrotate DESTINATION /etc/logrotate.d RENAME geod COMPONENT geod EXCLUDE_FROM_ALL)

# ---- what a Debian package has to say of itself

string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(CONFIGURE OUTPUT ${staged}/changelog.Debian CONTENT "geod (${PROJECT_VERSION}-${GEO_PACKAGE_RELEASE}) unstable; urgency=medium

  * What users get is told in /usr/share/doc/geod/changelog.gz.

 -- The geod maintainers <geod@example.com>  ${date}
")
foreach(package component IN ZIP_LISTS GEO_PACKAGES GEO_COMPONENTS)
  install(FILES debian/copyright ${staged}/changelog.Debian
    DESTINATION /usr/share/doc/${package} COMPONENT ${component} EXCLUDE_FROM_ALL)
endforeach()

# ---- all packages

set(CPACK_PACKAGE_VENDOR "The geod maintainers")
set(CPACK_PACKAGE_CONTACT "The geod maintainers <geod@example.com>") # whoever builds for others: -D CPACK_PACKAGE_CONTACT=
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "") # each has its own
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGE_NAME geod)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL ${GEO_COMPONENTS})
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_SOURCE_DIR}/cmake/settle.cmake)
set(CPACK_STRIP_FILES OFF) # settle.cmake puts the debug symbols where they belong
set(CPACK_READELF_EXECUTABLE ${CMAKE_READELF})
set(CPACK_OBJCOPY_EXECUTABLE ${CMAKE_OBJCOPY})
set(CPACK_STRIP_EXECUTABLE ${CMAKE_STRIP})

set(summary_geod "geo redirect for live video")
set(text_geod "geod works out where a client is, which group of video nodes is
responsible for that place and which node of it should serve the camera,
checks the token, the account and the camera, and answers with a signed
redirect to that node.")
set(summary_geoctl "ask geod what it decides, and why")
set(text_geoctl "geoctl runs the very code of geod on a terminal, with no daemon running:
it locates addresses, selects nodes, explains each decision, checks and
moves the store, simulates traffic, and talks to a running geod.")
set(summary_libgeo "library of geod: locate, select, authorize, sign")
set(text_libgeo "All that geod and geoctl decide, they decide in this library.")
set(summary_libgeo-dev "library of geod, for programs that use it")
set(text_libgeo-dev "The headers, the CMake package and the pkg-config module of libgeo.")
set(summary_symbols "debug symbols of geod, geoctl and libgeo")
set(text_symbols "A debugger finds them by itself, and shows functions and lines.")

# ---- .deb

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE ${GEO_PACKAGE_RELEASE})
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${CMAKE_LIBRARY_OUTPUT_DIRECTORY})
set(same "(= ${PROJECT_VERSION}-${GEO_PACKAGE_RELEASE})")
set(CPACK_DEBIAN_GEOD_PACKAGE_DEPENDS "libgeo0 ${same}, geoctl ${same}, openssl, systemd | systemd-standalone-sysusers | systemd-sysusers")
set(CPACK_DEBIAN_GEOD_PACKAGE_SUGGESTS "logrotate, npm, prometheus")
set(CPACK_DEBIAN_GEOD_PACKAGE_CONTROL_EXTRA
  ${CMAKE_CURRENT_SOURCE_DIR}/debian/postinst ${CMAKE_CURRENT_SOURCE_DIR}/debian/prerm
  ${CMAKE_CURRENT_SOURCE_DIR}/debian/postrm ${CMAKE_CURRENT_SOURCE_DIR}/debian/conffiles)
file(CONFIGURE OUTPUT ${staged}/shlibs CONTENT "libgeo ${PROJECT_VERSION_MAJOR} libgeo0 ${same}\n")
file(CONFIGURE OUTPUT ${staged}/triggers CONTENT "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_LIBGEO_PACKAGE_CONTROL_EXTRA ${staged}/shlibs ${staged}/triggers)
set(CPACK_DEBIAN_GEOCTL_PACKAGE_DEPENDS "libgeo0 ${same}")
set(CPACK_DEBIAN_LIBGEO-DEV_PACKAGE_DEPENDS "libgeo0 ${same}, libexpected-dev, libfmt-dev")
set(CPACK_DEBIAN_SYMBOLS_PACKAGE_DEPENDS "libgeo0 ${same}") # whose version that of the programs is
foreach(package component IN ZIP_LISTS GEO_PACKAGES GEO_COMPONENTS)
  string(TOUPPER ${component} key)
  set(CPACK_DEBIAN_${key}_PACKAGE_NAME ${package})
  set(CPACK_DEBIAN_${key}_PACKAGE_SECTION net)
  set(CPACK_DEBIAN_${key}_DESCRIPTION "${summary_${component}}\n${text_${component}}")
endforeach()
foreach(component IN ITEMS GEOD GEOCTL LIBGEO)
  set(CPACK_DEBIAN_${component}_PACKAGE_SHLIBDEPS ON)
endforeach()
set(CPACK_DEBIAN_LIBGEO_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBGEO-DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_SYMBOLS_PACKAGE_SECTION debug)

# ---- .rpm

set(CPACK_RPM_COMPONENT_INSTALL ON)
set(CPACK_RPM_FILE_NAME RPM-DEFAULT)
set(CPACK_RPM_PACKAGE_RELOCATABLE OFF)
set(CPACK_RPM_SPEC_MORE_DEFINE "%define _build_id_links none") # rpm's own, beside those to the debug symbols
set(CPACK_RPM_PACKAGE_LICENSE Apache-2.0)
set(CPACK_RPM_PACKAGE_RELEASE ${GEO_PACKAGE_RELEASE})
set(CPACK_RPM_MAIN_COMPONENT geod)
set(CPACK_RPM_GEOD_PACKAGE_REQUIRES "geoctl = ${PROJECT_VERSION}, openssl, systemd")
set(CPACK_RPM_SYMBOLS_PACKAGE_REQUIRES "libgeo0 = ${PROJECT_VERSION}")
set(CPACK_RPM_geod_POST_INSTALL_SCRIPT_FILE ${CMAKE_CURRENT_SOURCE_DIR}/rpm/post)
set(CPACK_RPM_geod_PRE_UNINSTALL_SCRIPT_FILE ${CMAKE_CURRENT_SOURCE_DIR}/rpm/preun)
file(STRINGS debian/conffiles conffiles)
list(TRANSFORM conffiles PREPEND "%config(noreplace) ")
set(CPACK_RPM_geod_USER_FILELIST ${conffiles})
foreach(package component IN ZIP_LISTS GEO_PACKAGES GEO_COMPONENTS)
  set(CPACK_RPM_${component}_PACKAGE_NAME ${package})
  set(CPACK_RPM_${component}_PACKAGE_SUMMARY "${summary_${component}}")
  set(CPACK_RPM_${component}_PACKAGE_DESCRIPTION "${text_${component}}")
endforeach()
set(CPACK_RPM_EXCLUDE_FROM_AUTO_FILELIST_ADDITION
  /usr/lib/systemd /usr/lib/systemd/system /usr/lib/sysusers.d /etc/logrotate.d /usr/lib/cmake /usr/lib/pkgconfig
  /usr/share/man/man1 /usr/share/man/man5 /usr/share/man/man8 /usr/share/bash-completion /usr/share/bash-completion/completions
  /usr/share/zsh /usr/share/zsh/site-functions /usr/share/fish /usr/share/fish/vendor_completions.d /usr/lib/debug)

include(CPack)
