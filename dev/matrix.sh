#!/usr/bin/env bash
# Run the tests that need a real Airflow on every supported version of it: dev/matrix.sh [AIRFLOW:PYTHON ...]
# An Airflow is tried on each Python that it allows and that is installed. Prints a table at the end.
set -u
cd "$(dirname "$0")/.."
cells=("$@")
if [ ${#cells[@]} -eq 0 ]; then
  for airflow in 2.11.2 3.0.6; do cells+=("$airflow:3.10" "$airflow:3.11" "$airflow:3.12"); done
  for airflow in 3.1.8 3.2.2 3.3.2; do cells+=("$airflow:3.10" "$airflow:3.11" "$airflow:3.12" "$airflow:3.13"); done
fi
failed=0
table=()
for cell in "${cells[@]}"; do
  airflow=${cell%%:*} python=${cell##*:}
  folder=.venvs/$airflow-py$python verdict=ok started=$SECONDS
  printf '\n=== Airflow %s, Python %s\n' "$airflow" "$python"
  if ! "python$python" -c '' 2>/dev/null; then
    verdict="no python$python here"
  elif ! dev/setup.sh "$folder" "$airflow" "$python" ||
       ! "$folder/bin/python" -m pytest tests/airflow --timeout 900 -m "${MATRIX_TESTS:-not kill and not celery}"; then
    verdict=FAILED failed=1
  fi
  table+=("$(printf '%-10s %-8s %5d s  %s' "$airflow" "$python" $((SECONDS - started)) "$verdict")")
done
printf '\n%-10s %-8s\n' Airflow Python
printf '%s\n' "${table[@]}"
exit $failed
