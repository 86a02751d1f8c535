# Sourced by mvnw, gradus and benchmarks/micro.sh, each of which sets `script_name`.

# Prints the home of the first JDK 25 among $JAVA25_HOME, $JAVA_HOME and the usual install roots,
# whatever `java` comes first on the PATH.
find_jdk() {
  jdk_release=25
  for home in "${JAVA25_HOME-}" "${JAVA_HOME-}" /usr/lib/jvm/*"$jdk_release"* \
      "${HOME-}"/.sdkman/candidates/java/"$jdk_release"* "${HOME-}"/.jdks/*"$jdk_release"*; do
    if [ -n "$home" ] && [ -x "$home/bin/javac" ] \
        && grep -q "^JAVA_VERSION=\"$jdk_release[\".+]" "$home/release" 2>/dev/null; then
      echo "$home"
      return
    fi
  done
  echo "$script_name: no JDK $jdk_release found; install one or point JAVA25_HOME at it" >&2
  exit 1
}
