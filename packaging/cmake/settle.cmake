# The last touches on what a package will hold, just before it is made.
file(GLOB_RECURSE files LIST_DIRECTORIES false ${CPACK_TEMPORARY_DIRECTORY}/*)
set(symbols ${CPACK_TEMPORARY_DIRECTORY}/symbols/usr/lib/debug/.build-id)

# What a debugger needs of it goes where one looks by the build id: /usr/lib/debug/.build-id/12/34...debug
function(detach_symbols file)
  execute_process(COMMAND ${CPACK_READELF_EXECUTABLE} -n ${file} OUTPUT_VARIABLE notes COMMAND_ERROR_IS_FATAL ANY)
  if(NOT notes MATCHES "Build ID: (..)([0-9a-f]+)")
    message(FATAL_ERROR "${file} has no build id")
  endif()
  set(detached ${CPACK_TEMPORARY_DIRECTORY}/${CMAKE_MATCH_2}.debug)
  execute_process(COMMAND ${CPACK_OBJCOPY_EXECUTABLE} --only-keep-debug ${file} ${detached} COMMAND_ERROR_IS_FATAL ANY)
  file(COPY ${detached} DESTINATION ${symbols}/${CMAKE_MATCH_1} NO_SOURCE_PERMISSIONS) # it is read, not run
  file(REMOVE ${detached})
  execute_process(COMMAND ${CPACK_STRIP_EXECUTABLE} --strip-unneeded ${file} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

foreach(file IN LISTS files)
  if(file MATCHES "/usr/bin/(geod|geoctl)$")
    file(RPATH_REMOVE FILE ${file}) # the library is where every library is
    detach_symbols(${file})
  elseif(file MATCHES "/libgeo.so[.0-9]*$" AND NOT IS_SYMLINK ${file})
    detach_symbols(${file})
  elseif(file MATCHES "/man[1-8]/[^/]*[1-8]$" OR file MATCHES "/doc/[^/]*/changelog.Debian$")
    execute_process(COMMAND gzip -9n ${file} COMMAND_ERROR_IS_FATAL ANY)
  elseif(file MATCHES "/doc/geod/CHANGELOG.md$")
    get_filename_component(folder ${file} DIRECTORY)
    file(RENAME ${file} ${folder}/changelog)
    execute_process(COMMAND gzip -9n ${folder}/changelog COMMAND_ERROR_IS_FATAL ANY)
  endif()
endforeach()
if(CPACK_GENERATOR STREQUAL "RPM")
  file(GLOB debian ${CPACK_TEMPORARY_DIRECTORY}/*/usr/share/doc/*/changelog.Debian.gz)
  file(REMOVE ${debian})
else() # where Debian's zsh looks for what packages bring
  file(GLOB found ${CPACK_TEMPORARY_DIRECTORY}/*/usr/share/zsh/site-functions)
  foreach(folder IN LISTS found)
    string(REPLACE site-functions vendor-completions to ${folder})
    file(RENAME ${folder} ${to})
  endforeach()
endif()
# Whatever the umask of who makes the packages.
execute_process(COMMAND find ${CPACK_TEMPORARY_DIRECTORY} -type d -exec chmod 755 {} + COMMAND_ERROR_IS_FATAL ANY)
