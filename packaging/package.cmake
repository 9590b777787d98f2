# What is installed, and the Debian package (cpack -G DEB). The unit runs orch-step from where it is installed, so it is
# made for the prefix: packages have /usr.
include(GNUInstallDirs)

install(TARGETS orch-step RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/orchd)
if(TARGET orchctl)
  install(TARGETS orchctl RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(FILES README.md LICENSE CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md")

set(ORCH_PACKAGE_PREFIX /usr)
set(LIBEXECDIR ${ORCH_PACKAGE_PREFIX}/${CMAKE_INSTALL_LIBEXECDIR})
set(DOCDIR ${ORCH_PACKAGE_PREFIX}/share/doc/orchd)
configure_file(packaging/systemd/orch-launch.service.in ${CMAKE_BINARY_DIR}/packaging/orch-launch.service @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/packaging/orch-launch.service packaging/systemd/orch.slice
  DESTINATION lib/systemd/system)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME orchd)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_VENDOR "orchd")
set(CPACK_PACKAGE_CONTACT "orchd maintainers <maintainers@orchd.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY ${PROJECT_DESCRIPTION})
set(CPACK_PACKAGING_INSTALL_PREFIX ${ORCH_PACKAGE_PREFIX})
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS systemd)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${CMAKE_SOURCE_DIR}/packaging/debian/postinst
  ${CMAKE_SOURCE_DIR}/packaging/debian/prerm
  ${CMAKE_SOURCE_DIR}/packaging/debian/postrm)
include(CPack)
