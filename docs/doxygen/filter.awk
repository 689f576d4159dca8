# Doxygen's view of a header: a comment, /// or //, stands for every declaration that follows it without a blank line.
# "// --- text" stands for all that have none up to the next such line or access specifier. Lines keep their numbers.
function trimmed(text) { sub(/^[ \t]+/, "", text); return text }
{
  line = $0
  text = trimmed(line)
  if (text ~ /^\/\/\/</) { print line; next }
  if (text ~ /^\/\//) {
    is_doxygen = text ~ /^\/\/\//
    sub(/^\/\/+ ?/, "", text)
    if (text ~ /^--- /) section = substr(text, 5)
    doc = fresh ? doc " " text : text
    fresh = 1
    if (!inside && !is_doxygen) { match(line, /^[ \t]*\/\//); line = substr(line, 1, RLENGTH) "/" substr(line, RLENGTH + 1) }
    print line
    next
  }
  if (text == "") { doc = section; fresh = 0; print line; next }
  if (text ~ /^#/ || text ~ /^(public|private|protected):/ || text ~ /^namespace/) {
    doc = section = ""; fresh = 0; print line; next
  }
  # A field says what it is itself: "std::int64_t size = 0;", but not "static constexpr ..." or "Tensor sum(...)".
  is_field = text ~ /^[A-Za-z_].*[A-Za-z0-9_>}] *;/ && text !~ /^(static|inline|constexpr|using|friend|template|virtual|explicit)/ && text !~ /^[^=]*\(/
  if (!inside && !fresh && !is_field && doc != "" && line !~ /\/\/\/</ && text !~ /^}/) {
    match(line, /^[ \t]*/)
    line = substr(line, 1, RLENGTH) "/** " doc " */ " substr(line, RLENGTH + 1)
  }
  fresh = 0
  code = text
  sub(/\/\/.*$/, "", code); sub(/[ \t]+$/, "", code)
  if (!inside && code ~ /^(class|struct|enum)[ :]/ && code ~ /\{$/) { doc = section = ""; print line; next }  # its members have their own
  level += gsub(/[({]/, "&", code) - gsub(/[)}]/, "&", code)
  if (level < 0) level = 0
  inside = !(level == 0 && code ~ /[;}]$/)
  if (!inside) level = 0
  print line
}
