from services.dedoppler.app import main

main()
